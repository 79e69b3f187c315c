"""A case: one image (later a frame or a volume) with its truth, and the patches cut from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # [y, x, 3], RGB


@dataclass(frozen=True)
class CaseFiles:
    """The files and facts of one case as a pack holds them; bytes are read only when asked for.

    `roles` names the members by what they are: `image`, `mask`. `open(member)` returns bytes.
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


@dataclass(frozen=True)
class Case:
    """One case in memory: pixels, truth if any, and whom it belongs to."""

    case_id: str
    subject: str
    pixels: Pixels
    label: str | None = None
    mask: NDArray[np.uint8] | None = None  # [y, x], class index, 0 = background
    spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True)
class Roi:
    """A patch ready for the network, and where in the case it was taken from.

    `pixels` is [size, size, 3] uint8 RGB; `box_px` is half-open [x0, y0, x1, y1] in the case.
    """

    pixels: Pixels
    box_px: tuple[float, float, float, float]
