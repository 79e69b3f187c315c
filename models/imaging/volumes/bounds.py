"""What is no volume: too few slices, too many voxels, voxels of a size that no scanner makes."""

SLICES_MIN = 5
VOXELS_MAX = 2**30
SPACING_MM = (0.05, 20.0)  # of pixels, and of voxels
