"""Curated tables become one feature table."""
