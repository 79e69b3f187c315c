"""One way of laying out an upload, one file; the first that fits is used (see models.ingest)."""
