"""A finding in its image: one drawing for each kind of finding, in one table."""

from collections.abc import Callable, Mapping
from typing import Any

from models.case import Pixels
from models.findings import (
    ClassFinding,
    Labels,
    OperatingPoint,
    PolypFinding,
    SegmentationFinding,
)
from models.pictures import classes, polyp, segmentation

Drawing = Callable[[Pixels, Any, Labels, OperatingPoint | None], bytes]
DRAWINGS: Mapping[type, Drawing] = {
    ClassFinding: classes.draw,
    PolypFinding: polyp.draw,
    SegmentationFinding: segmentation.draw,
}


def finding_picture(
    pixels: Pixels, finding: Any, labels: Labels, point: OperatingPoint | None = None
) -> bytes:
    """PNG of a finding in its image, with the operating point that was applied."""
    return DRAWINGS[type(finding)](pixels, finding, labels, point)
