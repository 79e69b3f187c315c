"""People who trace the lines: each with a bias, a hand and a range of columns of their own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.carotid_phantom.walls import wander

Points = NDArray[np.float64]  # [n, 2] x, y in pixels; 0, 0 is the middle of the first pixel
BIAS_UM, HAND_UM = 12.0, 22.0  # standard deviations between readers, and along a line
KNOT_MM = 2.0  # between the places where a hand changes its mind


@dataclass(frozen=True)
class Reader:
    """`every` column has a point; `written` is the manner of the reader's files."""

    name: str
    every: float
    written: Callable[[Points], str]


def in_rows(points: Points) -> str:
    """A point per line, `x y`."""
    return "".join(f"{x:.4f} {y:.4f}\n" for x, y in points.tolist())


def in_two_lines(points: Points) -> str:
    """One line of all x and one of all y, as the public set has it."""
    return "".join(" ".join(f"{value:.6f}" for value in row) + " \n" for row in points.T.tolist())


READERS = (
    Reader("Manual-A1", 1.0, in_two_lines),
    Reader("Manual-A1s", 3.7, in_rows),
    Reader("Manual-A2", 6.3, in_two_lines),
)


def traced(
    rng: np.random.Generator, reader: Reader, lines: tuple[Points, Points], pixel_mm: float
) -> tuple[Points, Points]:
    """Both lines as that reader draws them, sub-pixel, over columns of the reader's choice."""
    first, last = _range(rng, lines[0])
    drawn = []
    for line in lines:
        start, end = np.array([first, last]) + rng.uniform(-4, 4, 2)
        kept = line[(line[:, 0] >= start) & (line[:, 0] <= end)]
        knots = max(3, int(len(kept) * pixel_mm / KNOT_MM))
        off = rng.normal(0, BIAS_UM) + HAND_UM * wander(rng, len(kept), knots)
        found = kept + np.column_stack([np.zeros(len(kept)), off / 1000 / pixel_mm])
        drawn.append(found[np.arange(0, len(found), reader.every).astype(int)])
    lumen, media = drawn
    return lumen, media


def _range(rng: np.random.Generator, line: Points) -> tuple[float, float]:
    """Readers stay away from the edges of the image, each by as much as they like."""
    left, right = line[0, 0], line[-1, 0]
    start, end = rng.uniform(0.02, 0.12, 2) * (right - left)
    return float(left + start), float(right - end)
