"""The end of a sweep: evaluate, calibrate, export, and what puts them together (completing.py)."""
