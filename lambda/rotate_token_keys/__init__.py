"""A rotation of the token keys: new epochs get theirs, old ones lose theirs, those between keep theirs."""
