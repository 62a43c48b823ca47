"""The main job, end to end: a year of real data through the deployed stacks in the embedded account."""
