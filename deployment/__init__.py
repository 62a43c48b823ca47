"""Deletes a deployment completely, on whatever account the environment's credentials lead to."""
