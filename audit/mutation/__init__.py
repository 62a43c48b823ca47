"""Mutation testing of the posture: what is broken, one property at a time, and what notices it."""
