"""Code of two or more functions."""
