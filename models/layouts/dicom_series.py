"""DICOM series: one folder for each patient, its slices at any depth, a mask on the same grid."""

from functools import partial

from models.door.volumes.tree import volumes_in
from models.layout import Layout

EXAMPLE = """\
patient-1/ct/000001           the slices of one series: any names, any order, any depth
patient-1/ct/000002
patient-1/mask.nii.gz         on the grid of the series: 0 = nothing, 1, 2, ... = one embolus each
patient-2/000001.dcm          (or a single label: its connected parts are emboli); all 0: negative
patient-2/emboli.dcm          a DICOM SEG, or a folder with the mask as a second series

a mask is what has mask, seg or emboli in its name; train/, validation/, test/ may stand above
"""


LAYOUT = Layout("dicom_series", EXAMPLE, partial(volumes_in, dicom=True))
