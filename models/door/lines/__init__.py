"""Lines that people drew along a vessel's wall: read, held against image and each other."""
