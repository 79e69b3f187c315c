"""What happens to an upload at the door, step by step; models.ingest puts the steps in order."""
