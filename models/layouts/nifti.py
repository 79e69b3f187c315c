"""NIfTI: one folder for each patient with an image and its mask, or all of them side by side."""

from functools import partial

from models.door.volumes.tree import volumes_in
from models.layout import Layout

EXAMPLE = """\
patient-1/ct.nii.gz
patient-1/mask.nii.gz         on the grid of the image: 0 = nothing, 1, 2, ... = one embolus each

or without folders of patients:
images/case-01.nii.gz         (or imagesTr/ and labelsTr/, as nnU-Net has it)
masks/case-01.nii.gz

or case-01.nii.gz and case-01_mask.nii.gz; train/, validation/, test/ may stand above
"""


LAYOUT = Layout("nifti", EXAMPLE, partial(volumes_in, dicom=False))
