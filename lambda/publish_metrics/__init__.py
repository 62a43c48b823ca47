"""Step of the state machine: a monitoring report becomes metrics that alarms watch."""
