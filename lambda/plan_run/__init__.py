"""Step of the state machines: what a run does, with which data, under which names."""
