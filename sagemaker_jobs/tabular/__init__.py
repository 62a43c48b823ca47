"""Pure code for models on tables: split, prepare, score, measure, compare, describe. No network, no clock.

Importing the package imports nothing else: `rules` and `packaging` need the standard library only.
"""
