"""A finding in its image or volume: one drawing for each kind of finding, in two tables."""

from collections.abc import Callable, Mapping
from typing import Any

from models.case import Pixels
from models.findings import (
    ClassFinding,
    EmbolismFinding,
    IntimaMediaFinding,
    Labels,
    OperatingPoint,
    PolypFinding,
    SegmentationFinding,
)
from models.pictures import classes, embolism, intima_media, polyp, segmentation
from models.volume import Volume

Drawing = Callable[[Pixels, Any, Labels, OperatingPoint | None], bytes]
DRAWINGS: Mapping[type, Drawing] = {
    ClassFinding: classes.draw,
    IntimaMediaFinding: intima_media.draw,
    PolypFinding: polyp.draw,
    SegmentationFinding: segmentation.draw,
}
VolumeDrawing = Callable[[Volume, Any, Labels, OperatingPoint | None, int | None], bytes]
VOLUME_DRAWINGS: Mapping[type, VolumeDrawing] = {EmbolismFinding: embolism.embolism_picture}


def finding_picture(
    pixels: Pixels, finding: Any, labels: Labels, point: OperatingPoint | None = None
) -> bytes:
    """PNG of a finding in its image, with the operating point that was applied."""
    return DRAWINGS[type(finding)](pixels, finding, labels, point)


def volume_picture(
    volume: Volume, finding: Any, labels: Labels, point: OperatingPoint | None = None,
    slice: int | None = None,
) -> bytes:  # fmt: skip
    """PNG of a finding in its volume. `slice` counts along the volume's own z axis; default: where
    the finding's best is. Raises models.pictures.planes.SliceError.
    """
    return VOLUME_DRAWINGS[type(finding)](volume, finding, labels, point, slice)
