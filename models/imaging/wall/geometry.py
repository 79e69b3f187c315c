"""Lines of a wall as numbers: a boundary's height at any column, and the columns two share.

A point is (x, y) in pixels, a pixel's centre at a whole number: column 7 has x = 7. Boxes and
matrices count from the edge of the first pixel instead (half-open), which is 0.5 more.
"""

import numpy as np
from numpy.typing import NDArray

from models.case import Lines, Points

Floats = NDArray[np.float64]

HALF = 0.5  # from a pixel's centre, where points are told, to its edge, where boxes begin


def heights(line: Points, x: Floats) -> Floats:
    """[n] y at columns `x` [n], linear between points; NaN beyond the line's ends."""
    if not len(line):
        return np.full(len(x), np.nan)
    return np.interp(x, line[:, 0], line[:, 1], left=np.nan, right=np.nan)


def shared_columns(lines: Lines) -> Floats:
    """[n] whole columns that both lines cover, ascending; [0] where there are none."""
    if not all(len(line) for line in lines):
        return np.empty(0)
    first = np.ceil(max(line[0, 0] for line in lines))
    last = np.floor(min(line[-1, 0] for line in lines))
    return np.arange(first, last + 1)


def by_column(lines: Lines) -> tuple[Floats, Floats, Floats]:
    """Columns that both lines cover [n], and their heights there: (x, lumen-intima, media-adv.)."""
    x = shared_columns(lines)
    return x, heights(lines[0], x), heights(lines[1], x)
