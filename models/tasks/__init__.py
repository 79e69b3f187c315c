"""One clinical question, one file. The file is the registration (see models.discovery)."""
