"""Puts the champion's name among the models, so that it is copied with them to the second Region."""
