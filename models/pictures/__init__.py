"""Pictures for people: a finding in its image or volume, a case with its truth, a sweep's depths.

The same input gives the same bytes. Colours are Okabe and Ito's, told apart with any colour
vision, and never the only sign.
"""

from models.pictures.agreement import agreement_plot
from models.pictures.findings import finding_picture, volume_picture
from models.pictures.planes import SliceError
from models.pictures.preview import case_preview
from models.pictures.volumes import volume_preview
from models.sweep_plot import sweep_plot

__all__ = [
    "SliceError",
    "agreement_plot",
    "case_preview",
    "finding_picture",
    "sweep_plot",
    "volume_picture",
    "volume_preview",
]
