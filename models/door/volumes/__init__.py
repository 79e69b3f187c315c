"""Volumes at the door: trees of series and files, which series is meant, and the road to a pack."""
