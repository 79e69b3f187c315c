"""One frame of a scanner in a foreign DICOM file, read without risk to the process that asks."""
