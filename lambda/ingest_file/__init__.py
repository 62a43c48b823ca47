"""A file that landed takes the same rules as the stream, whole or not at all."""
