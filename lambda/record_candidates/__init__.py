"""Step of the state machine: what trained, at what cost, and which models the evaluation compares."""
