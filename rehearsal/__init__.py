"""Deploying and deleting, rehearsed in the embedded account from every state that either can be left in."""
