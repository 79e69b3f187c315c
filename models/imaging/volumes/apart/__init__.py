"""A volume in a foreign file, read in a process of its own."""
