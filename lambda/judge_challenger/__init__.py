"""Step of the state machine: the verdict on a challenger that serves beside the champion."""
