"""Volumes in and out: DICOM series, NIfTI files, masks on their grid, and the pack's own form."""
