"""The audit: who did what, read by an admin."""
