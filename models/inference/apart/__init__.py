"""A model from elsewhere, read and tried in a process of its own."""
