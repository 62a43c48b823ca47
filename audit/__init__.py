"""Evidence from templates, ours or anybody's: what is allowed, reached, encrypted, proved, left open."""
