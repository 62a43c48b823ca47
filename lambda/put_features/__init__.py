"""Fills the feature store with what a run made of the histories."""
