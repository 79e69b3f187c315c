"""Data sets: upload, check, ledger, preview."""
