"""Raw lines become curated tables."""
