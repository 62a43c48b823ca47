"""Step of the state machines: what failed, where and why, in words that fit into a message."""
