"""Refused records take the door again, after the contract or the producer was mended."""
