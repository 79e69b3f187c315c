"""The vessel through a place laid straight, and what a small network says of it."""
