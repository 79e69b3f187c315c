"""Both lines of one reader held against the image and each other; several readers made one.

A point's x and y are pixels, 0, 0 in the middle of the first pixel; between points a line is
straight. The lumen-intima line lies above the media-adventitia line: this is the far wall.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.case import Lines, Points

COLUMNS_MIN = 10  # that both lines cover; less teaches and measures nothing
OUTSIDE_MAX = 0.5  # share of points beyond the frame from which on it is another image's line
CROSSED_MAX = 0.1  # share of columns where the lines may touch or cross, which are then left out
TOLERANCE_PX = 0.01  # by which a stored line may differ: a thousandth of a millimetre and less
DIGITS = 3
Numbers = NDArray[np.float64]


class PairingError(Exception):
    """Lines that are no wall in this image; `code` is stable, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def judged(lines: Lines, size: tuple[int, int]) -> tuple[Lines, tuple[str, ...]]:
    """Both lines in one row of whole columns, and notes; `size` is (width, height).

    Notes: lines_clipped (points beyond the frame), lines_crossing (columns where they touch).
    Raises PairingError: lines_outside, lines_apart, lines_crossed.
    """
    upper, lower = (_within(line, size) for line in lines)
    x = shared(upper, lower)
    if len(x) < COLUMNS_MIN:
        raise PairingError("lines_apart", _apart(upper, lower, len(x)))
    heights = [np.interp(x, line[:, 0], line[:, 1]) for line in (upper, lower)]
    crossed = heights[0] >= heights[1]
    if crossed.mean() > CROSSED_MAX:
        raise PairingError("lines_crossed", _crossed(crossed))
    kept = [np.column_stack([x, y])[~crossed] for y in heights]
    clipped = len(upper) + len(lower) < sum(map(len, lines))
    said = {"lines_clipped": clipped, "lines_crossing": bool(crossed.any())}
    return (kept[0], kept[1]), tuple(note for note, holds in said.items() if holds)


def _within(line: Points, size: tuple[int, int]) -> Points:
    """The points in the frame: pixels reach half a pixel beyond their middles."""
    width, height = size
    x, y = line.T
    inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
    if (~inside).mean() > OUTSIDE_MAX:
        first = line[~inside][0]
        raise PairingError(
            "lines_outside",
            f"{np.count_nonzero(~inside)} of {len(line)} points lie beyond the upright image of "
            f"{width} x {height} pixels, the first at x {first[0]:g}, y {first[1]:g}; points are "
            "pixels of the image, not millimetres, x before y",
        )
    within: Points = line[inside]
    return within


def shared(upper: Points, lower: Points) -> Numbers:
    """Whole columns that both lines cover, ascending."""
    if not len(upper) or not len(lower):
        return np.empty(0)
    first = np.ceil(max(upper[0, 0], lower[0, 0]))
    last = np.floor(min(upper[-1, 0], lower[-1, 0]))
    return np.arange(first, last + 1)


def _apart(upper: Points, lower: Points, columns: int) -> str:
    ranges = [f"x {line[0, 0]:g} to {line[-1, 0]:g}" for line in (upper, lower) if len(line)]
    return (
        f"LI and MA share {columns} column(s), and {COLUMNS_MIN} are needed "
        f"({' and '.join(ranges)}): draw both along the same stretch"
    )


def _crossed(crossed: NDArray[np.bool_]) -> str:
    if crossed.all():
        return (
            "LI lies below MA in every column: of the far wall LI is the upper line; exchange "
            "the two files"
        )
    return (
        f"LI and MA touch or cross in {np.count_nonzero(crossed)} of {len(crossed)} columns; "
        "correct the lines there"
    )


def consensus(readers: Sequence[Lines]) -> Lines | None:
    """The mean of the readers where two or more cover a column, along the longest such stretch.

    Lines come from `judged`. None where no COLUMNS_MIN columns are covered twice.
    """
    first = int(min(lines[0][0, 0] for lines in readers))
    last = int(max(lines[0][-1, 0] for lines in readers))
    x = np.arange(first, last + 1, dtype=np.float64)
    drawn = np.array([[_heights(line, x) for line in lines] for lines in readers])  # [r, 2, x]
    covered = np.isfinite(drawn[:, 0])
    start, end = _longest(covered.sum(axis=0) >= 2)
    if end - start < COLUMNS_MIN:
        return None
    upper, lower = np.nansum(drawn, axis=0)[:, start:end] / covered.sum(axis=0)[start:end]
    return np.column_stack([x[start:end], upper]), np.column_stack([x[start:end], lower])


def _heights(line: Points, x: Numbers) -> Numbers:
    return np.interp(x, line[:, 0], line[:, 1], left=np.nan, right=np.nan)


def _longest(holds: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and end, half-open, of the longest run."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], holds, [False])).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    if not len(runs):
        return 0, 0
    start, end = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    return int(start), int(end)


def sparse(line: Points) -> list[list[float]]:
    """The points that the line is made of, without those that a straight line between the others
    has to TOLERANCE_PX: a pack of thousands of images keeps them all in its manifest.
    """
    kept = np.zeros(len(line), np.bool_)
    kept[[0, -1]] = True
    stretches = [(0, len(line) - 1)]
    while stretches:
        start, end = stretches.pop()
        if end - start < 2:
            continue
        inner = line[start + 1 : end]
        straight = np.interp(inner[:, 0], line[[start, end], 0], line[[start, end], 1])
        off = np.abs(inner[:, 1] - straight)
        worst = int(off.argmax())
        if off[worst] > TOLERANCE_PX:
            kept[start + 1 + worst] = True
            stretches += [(start, start + 1 + worst), (start + 1 + worst, end)]
    rounded: list[list[float]] = line[kept].round(DIGITS).tolist()
    return rounded
