"""Firehose transform: stream records are validated, anonymised and told where they go."""
