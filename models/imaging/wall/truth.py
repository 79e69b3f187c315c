"""What is true of every pixel of a patch, drawn from the lines: each decided at its own centre.

Near the wall a pixel is lumen, intima-media or adventitia by the side of the lines on which its
centre lies, so that masks of many patches are right on average to a fraction of a pixel. Farther
away it is background, in columns that nobody traced and beyond the image UNKNOWN.
"""

import numpy as np
from numpy.typing import NDArray

from models.case import UNKNOWN, Lines, Mask
from models.imaging.wall.geometry import HALF

LUMEN, INTIMA_MEDIA, ADVENTITIA = 1, 2, 3
REACH = 1 / 8  # of the patch's height: so far from the wall lumen and adventitia are told


def drawn(lines: Lines, matrix: NDArray[np.float64], size: int, shape: tuple[int, int]) -> Mask:
    """[size, size] of a patch in an image of `shape`; `matrix` [2, 3] is patch -> image."""
    centres = np.arange(size) + HALF
    across, down = np.meshgrid(centres, centres)
    x, y = np.tensordot(matrix[:, :2], [across, down], axes=1) + matrix[:, 2, None, None]
    upper, lower = (np.interp(x, line[:, 0] + HALF, line[:, 1] + HALF) for line in lines)
    reach = REACH * size * float(np.hypot(*matrix[:, 1]))
    mask = np.zeros((size, size), np.uint8)
    mask[(y < upper) & (y >= upper - reach)] = LUMEN
    mask[(y >= lower) & (y < lower + reach)] = ADVENTITIA
    mask[(y >= upper) & (y < lower)] = INTIMA_MEDIA
    first = max(line[0, 0] for line in lines)
    last = min(line[-1, 0] for line in lines) + 2 * HALF
    height, width = shape
    inside = (x >= max(first, 0)) & (x < min(last, width)) & (y >= 0) & (y < height)
    mask[~inside] = UNKNOWN
    return mask
