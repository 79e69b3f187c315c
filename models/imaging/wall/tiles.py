"""From a wall to the patches that a network sees, and from its maps back to the wall.

A patch shows a piece of the image twice as long along the wall as across it, squeezed to a square:
rows keep about the image's own resolution, by which the lines are measured, and few patches cover a
wall. Where a spacing is known it shows as many millimetres of every image, so that walls look as
thick to the network as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import UNKNOWN, Box, Lines, Pixels, Roi
from models.imaging.views import warped
from models.imaging.wall import truth
from models.imaging.wall.locating import Stretch

ROWS_PX, COLUMNS_PX = 224, 448  # of an image of unknown or usual spacing, in one patch
USUAL_MM = 0.06  # of a pixel
SCALES = (0.5, 2.0)  # so many more or fewer pixels of other images, at most
OVERLAP = 0.15  # of a patch's length, at least, with the next one
MOST = 4  # patches of one wall: a longer one is squeezed more


Spacing = tuple[float, float] | None  # (row, column) in mm


@dataclass(frozen=True)
class Strip:
    """A piece of the image along one wall, and what the network says of it.

    scores  [1 + classes, y, x] float32, background first; 0 where no patch lies
    x0, y0  the image's column and row that scores[:, 0, 0] is about
    """

    scores: NDArray[np.float32]
    x0: int
    y0: int

    def within(self, box: Box) -> "Strip":
        """What of it lies in a box; at least a column and a row."""
        rows, columns = self.scores.shape[1:]
        left = int(np.clip(np.floor(box[0]) - self.x0, 0, columns - 1))
        top = int(np.clip(np.floor(box[1]) - self.y0, 0, rows - 1))
        right = max(left + 1, min(columns, int(np.ceil(box[2])) - self.x0))
        bottom = max(top + 1, min(rows, int(np.ceil(box[3])) - self.y0))
        part = self.scores[:, top:bottom, left:right]
        return Strip(part, self.x0 + left, self.y0 + top)


def extent(shape: tuple[int, int], spacing_mm: Spacing) -> tuple[int, int]:
    """Rows and columns of an image of `shape` that one patch shows."""
    rows, columns = (USUAL_MM, USUAL_MM) if spacing_mm is None else spacing_mm
    scales = [float(np.clip(USUAL_MM / mm, *SCALES)) for mm in (rows, columns)]
    return min(shape[0], round(ROWS_PX * scales[0])), min(shape[1], round(COLUMNS_PX * scales[1]))


def boxes(stretch: Stretch, shape: tuple[int, int], spacing_mm: Spacing = None) -> list[Box]:
    """Where patches along a wall lie in an image of `shape`, from left to right."""
    width = shape[1]
    first, last = int(stretch.x[0]), int(stretch.x[-1]) + 1
    rows, length = extent(shape, spacing_mm)
    count = max(1, int(np.ceil((last - first - OVERLAP * length) / ((1 - OVERLAP) * length))))
    if count > MOST:
        count = MOST
        length = min(width, int(np.ceil((last - first) / (count - (count - 1) * OVERLAP))))
    spare = last - first - length
    found: list[Box] = []
    for k in range(count):
        start = first + (spare / 2 if count == 1 else spare * k / (count - 1))
        x0 = int(np.clip(round(start), 0, width - length))
        y0 = _top(stretch, (x0, x0 + length), rows, shape[0])
        found.append((float(x0), float(y0), float(x0 + length), float(y0 + rows)))
    return found


def _top(stretch: Stretch, columns: tuple[int, int], rows: int, height: int) -> int:
    """The first of `rows` rows about the middle between the wall's highest and lowest place."""
    part = stretch.y[(stretch.x >= columns[0]) & (stretch.x < columns[1])]
    middle = (part.min() + part.max()) / 2
    return int(np.clip(round(middle - rows / 2), 0, height - rows))


def cut(pixels: Pixels, box: Box, size: int, lines: Lines | None) -> Roi:
    """The patch of a box of whole pixels; its truth is UNKNOWN where there are no lines."""
    x0, y0, x1, y1 = (int(side) for side in box)
    part = np.ascontiguousarray(pixels[y0:y1, x0:x1])
    squeeze = np.array([[(x1 - x0) / size, 0, 0], [0, (y1 - y0) / size, 0]])
    seen, mask = warped(part, np.full(part.shape[:2], UNKNOWN, np.uint8), squeeze, size)
    if lines is not None:
        squeeze[:, 2] = (x0, y0)
        mask = truth.drawn(lines, squeeze, size, pixels.shape[:2])
    return Roi(seen, box, mask)


def strips(rois: Sequence[Roi], outputs: NDArray[np.float32]) -> list[Strip]:
    """The maps laid over the image again, a strip for each wall: its patches go from left to right,
    so that one which begins left of the one before belongs to another wall.
    """
    starts = [k for k, roi in enumerate(rois) if not k or roi.box_px[0] < rois[k - 1].box_px[0]]
    ends = [*starts[1:], len(rois)]
    return [_laid(rois[a:b], outputs[a:b]) for a, b in zip(starts, ends, strict=True)]


def _laid(rois: Sequence[Roi], outputs: NDArray[np.float32]) -> Strip:
    """Where patches overlap each counts the more, the farther from its own end."""
    sides = np.array([roi.box_px for roi in rois]).astype(int)
    x0, y0 = sides[:, :2].min(axis=0)
    x1, y1 = sides[:, 2:].max(axis=0)
    scores = np.zeros((outputs.shape[1], y1 - y0, x1 - x0), np.float32)
    for (left, top, right, bottom), output in zip(sides, outputs, strict=True):
        steps = np.arange(right - left, dtype=np.float32)
        share = np.minimum(steps + 1, (right - left) - steps)
        for total, map_ in zip(scores, output, strict=True):
            shape = (int(right - left), int(bottom - top))
            laid = cv2.resize(np.ascontiguousarray(map_), shape, interpolation=cv2.INTER_LINEAR)
            laid *= share
            total[top - y0 : bottom - y0, left - x0 : right - x0] += laid
    scores /= np.maximum(scores.sum(axis=0), 1e-6)  # probabilities add up to one wherever seen
    return Strip(scores, int(x0), int(y0))
