"""What a change to the templates would do, for the one who has to approve it: `python -m audit.review`."""
