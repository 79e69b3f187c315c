"""A case: one image, frame or volume with its truth, and the patches cut from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.volume import LabelVoxels, Volume

Pixels = NDArray[np.uint8]  # [y, x, 3], RGB
Mask = NDArray[np.uint8]  # [y, x], index of a class: 0 = background, k = the k-th class
Box = tuple[float, float, float, float]  # half-open x0, y0, x1, y1 in pixels of the case
NO_PIXELS: Pixels = np.zeros((0, 0, 3), dtype=np.uint8)  # a volume's
Points = NDArray[np.float64]  # [n, 2], x and y in pixels of the case, sub-pixel, x ascending
Lines = tuple[Points, Points]  # lumen-intima, media-adventitia
UNKNOWN = 255  # in a mask: nobody said what this pixel shows; neither learnt from nor measured


@dataclass(frozen=True)
class CaseFiles:
    """The files and facts of one case as a pack holds them; bytes are read only when asked for.

    `roles` names the members by what they are: `image`, `mask`, of a volume `volume` and
    `emboli` (models.imaging.volumes.stored). `open(member)` returns bytes.
    `facts` holds what a layout found beside the label: boxes, polylines, a reader's name.
    """

    case_id: str
    subject: str
    roles: Mapping[str, str]
    open: Callable[[str], bytes]
    label: str | None = None
    split: str | None = None
    spacing_mm: tuple[float, float] | None = None  # (row, column)
    facts: Mapping[str, object] = field(default_factory=dict)


def _quiet(stage: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Case:
    """One case in memory: pixels, truth if any, and whom it belongs to.

    `mask` is what is there, pixel by pixel; `boxes` what is there by its outlines alone, () where
    somebody said that there is nothing, None where nobody said. A map task has one of them.

    A case may be a `volume` instead: then `pixels` is empty, and `things` [z, y, x] says which
    voxels belong to the k-th thing to be found (all 0: there is none; None: nobody said).
    `count` is how many there are, which is all that a metric needs. `tell` is called with the
    name of a stage as work on a volume goes on.

    `lines` are the two boundaries of a vessel's far wall as they were drawn, `readers` those of
    each person who drew them, by name, where there were several. `roi_px` is the part of the
    image that a caller asks about (None: all of it), and `spacing_source` says who told the
    spacing: "given", "cubs" or "dicom".
    """

    case_id: str
    subject: str
    pixels: Pixels
    label: str | None = None
    mask: Mask | None = None
    spacing_mm: tuple[float, float] | None = None  # (row, column)
    boxes: tuple[Box, ...] | None = None
    volume: Volume | None = None
    things: LabelVoxels | None = None
    count: int | None = None
    lines: Lines | None = None
    readers: Mapping[str, Lines] = field(default_factory=dict)
    roi_px: Box | None = None
    spacing_source: str | None = None
    tell: Callable[[str], None] = _quiet


@dataclass(frozen=True)
class Roi:
    """A patch ready for the network, and where in the case it was taken from.

    `pixels` is [size, size, 3] uint8 RGB; `box_px` is where in the case it was taken. `mask`
    [size, size] is the truth under a training or validation patch of a map task. `mirrored` says
    that left and right are exchanged in it, which whoever reads a map of it has to undo.

    A patch of a volume has no box. `truth` is its own class where patches of one case differ in
    it (None: the case's label); `mark` what its task keeps of it for `measure` and `decide`, which
    see patches without their pixels.
    """

    pixels: Pixels
    box_px: Box
    mask: Mask | None = None
    mirrored: bool = False
    truth: int | None = None
    mark: tuple[float, ...] = ()
