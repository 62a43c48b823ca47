"""Step of the state machine: what a run wrote becomes what readers see."""
