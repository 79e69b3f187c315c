"""The patch set: what it is (sets.py), and how it is cut (cutting.py)."""
