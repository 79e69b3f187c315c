"""Health, metrics, version: for those who run the service."""
