"""The wall straightened: every column moved so that the middle between its lines is level.

Rows are enlarged, columns are not, so that it lies below the frame column by column. Both lines
are drawn as thin as can be: what matters is the edge that they follow.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.case import Pixels, Points
from models.pictures import lines
from models.pictures.look import Shown

HIGH = 120  # shown pixels
REACH, REACH_MIN_PX = 1.6, 10.0  # of the largest thickness, above and below the middle; at least
DIVIDE = 2  # of grey above it
HALF = 0.5  # from a pixel's centre, which is a whole number, to its edge
FLAT = 15  # columns over which the middle is smoothed: a bump of one line is not to move all


def strip(pixels: Pixels, upper: Points, lower: Points, shown: Shown, gap: float) -> Image.Image:
    """As wide as the image as shown; black where no column was traced."""
    width = shown.image.width
    columns = (np.arange(width, dtype=np.float64) + HALF) / shown.scale[0] - HALF
    there = _covered(columns, upper[:, 0], gap)
    middle = np.interp(columns, upper[:, 0], _middle(upper, lower))
    enlarged = zoom(upper, lower)
    offsets = (np.arange(HIGH) + HALF - HIGH / 2) / enlarged
    across = np.broadcast_to(columns, (HIGH, width)).astype(np.float32)
    down = (middle[None] + offsets[:, None]).astype(np.float32)
    sampled = cv2.remap(pixels, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    made = np.ascontiguousarray(sampled, np.uint8)
    made[(down < -HALF) | (down > len(pixels) - HALF) | ~there] = 0
    for line, colour in zip((upper, lower), lines.COLOURS, strict=True):
        level = (line[:, 1] - _middle(upper, lower)) * enlarged + HIGH / 2 - HALF
        place = (line[:, 0] + HALF) * shown.scale[0] - HALF
        pieces = lines.pieces(np.column_stack([place, level]), gap * shown.scale[0])
        lines.stroke(made, pieces, colour, 1)
    above = np.full((DIVIDE, width, 3), 90, np.uint8)
    return Image.fromarray(np.vstack([above, made]))


def zoom(upper: Points, lower: Points) -> float:
    """Rows of the strip per row of the image."""
    thickest = float((lower - upper)[:, 1].max())
    return HIGH / 2 / max(REACH * thickest, REACH_MIN_PX)


def _middle(upper: Points, lower: Points) -> NDArray[np.float64]:
    """[n] the smoothed height halfway between the lines."""
    middle = (upper[:, 1] + lower[:, 1]) / 2
    size = min(FLAT, len(middle) // 2 * 2 - 1)
    if size < 3:
        return np.asarray(middle)
    padded = np.pad(middle, size // 2, mode="reflect", reflect_type="odd")
    return np.convolve(padded, np.full(size, 1 / size), mode="valid")


def _covered(
    columns: NDArray[np.float64], traced: NDArray[np.float64], gap: float
) -> NDArray[np.bool_]:
    """Which of the shown columns lie at a traced one, or between two neighbours."""
    after = np.searchsorted(traced, columns)
    right = traced[np.minimum(after, len(traced) - 1)]
    left = traced[np.maximum(after - 1, 0)]
    near = np.minimum(np.abs(columns - left), np.abs(right - columns)) <= HALF
    between = (left <= columns) & (columns <= right) & (right - left <= gap)
    return np.asarray(near | between)
