"""The truth of a detection task: lesions as parts of a mask or as boxes, and what hits them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.case import UNKNOWN, Box, Mask
from models.imaging.components import components
from models.metrics.froc import IGNORED, NO_LESION

Floats = NDArray[np.float64]

# A part of a mask below this share of the frame is a speck of compression, not a lesion: the
# JPEG masks of Kvasir-SEG hold single pixels (0.001 %) while their smallest lesion has 0.17 %.
SPECK = 0.0002
SURE = 0.8  # of the width and height of a box: an ellipse that is lesion for sure


@dataclass(frozen=True)
class Lesions:
    """The lesions of one frame.

    `boxes` [n, 4] half-open; `parts` [y, x] holds 1 + the lesion's index, 0 elsewhere, IGNORED
    where nobody spoke; None where boxes are all there is.
    """

    boxes: Floats
    parts: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def at(self, x: float, y: float) -> int:
        """The lesion at a point, the smallest box of several; NO_LESION or IGNORED."""
        if self.parts is not None:
            height, width = self.parts.shape
            row, column = min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)
            part = int(self.parts[row, column])
            return part if part == IGNORED else part - 1
        x0, y0, x1, y1 = self.boxes.T
        inside = np.flatnonzero((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1))
        if len(inside) == 0:
            return NO_LESION
        areas = ((x1 - x0) * (y1 - y0))[inside]
        return int(inside[np.argmin(areas)])

    def overlapping(self, box: Box) -> tuple[float, int]:
        """IoU of a box with the lesion's box that it overlaps most, and which that is."""
        if len(self) == 0:
            return 0.0, NO_LESION
        x0, y0, x1, y1 = self.boxes.T
        across = np.clip(np.minimum(x1, box[2]) - np.maximum(x0, box[0]), 0, None)
        down = np.clip(np.minimum(y1, box[3]) - np.maximum(y0, box[1]), 0, None)
        shared = across * down
        own = (box[2] - box[0]) * (box[3] - box[1])
        iou = shared / (own + (x1 - x0) * (y1 - y0) - shared)
        best = int(np.argmax(iou))
        return (float(iou[best]), best) if iou[best] > 0 else (0.0, NO_LESION)


def of_mask(mask: Mask) -> Lesions:
    """The connected parts of what is lesion, specks left out."""
    found = components((mask > 0) & (mask != UNKNOWN))
    kept = np.flatnonzero(found.areas >= SPECK * mask.size)
    number = np.zeros(len(found.areas) + 1, dtype=np.int32)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    parts = number[found.index]
    parts[mask == UNKNOWN] = IGNORED
    x, y, width, height = found.windows[kept].T
    return Lesions(np.stack([x, y, x + width, y + height], axis=1).astype(np.float64), parts)


def of_boxes(boxes: Sequence[Box]) -> Lesions:
    return Lesions(np.array(boxes, dtype=np.float64).reshape(-1, 4))


def drawn(boxes: Sequence[Box], shape: tuple[int, int]) -> Mask:
    """What boxes say of pixels: lesion in an ellipse well inside each, UNKNOWN from there to the
    box, background outside. An outline is not in a box, and none is invented.
    """
    mask = np.zeros(shape, dtype=np.uint8)
    limit = np.array([shape[1], shape[0]])
    for x0, y0, x1, y1 in boxes:
        left, top = np.clip(np.floor([x0, y0]), 0, limit).astype(int)
        right, bottom = np.clip(np.ceil([x1, y1]), 0, limit).astype(int)
        mask[top:bottom, left:right] = UNKNOWN
    y, x = np.ogrid[: shape[0], : shape[1]]
    for x0, y0, x1, y1 in boxes:
        across = (x + 0.5 - (x0 + x1) / 2) / (SURE * (x1 - x0) / 2)
        down = (y + 0.5 - (y0 + y1) / 2) / (SURE * (y1 - y0) / 2)
        mask[across**2 + down**2 <= 1] = 1
    return mask
