"""The frozen prefix: its outputs, computed or read from the cache; exact either way."""
