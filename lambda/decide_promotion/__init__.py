"""Step of the state machine: the gate between a candidate and the endpoint."""
