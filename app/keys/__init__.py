"""API keys: made, listed and withdrawn by an admin."""
