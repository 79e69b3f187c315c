"""A profile: one line along a wall as a file of points, in whichever of the usual two ways."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.case import Points
from models.door.lines.numbers import NumbersError, read_rows

POINTS_MIN = 2
HOW = "write x y per line, or one line of all x and one of all y, in pixels of the image"
Numbers = NDArray[np.float64]


class ProfileError(Exception):
    """A profile that gives no line; `code` is stable, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def read_profile(data: bytes) -> tuple[Points, tuple[str, ...]]:
    """[n, 2] x, y of a profile file, x ascending, each x once (its mean y), and notes.

    Rows with NaN are no points (profile_gaps). Raises ProfileError: empty_profile, bad_profile.
    """
    try:
        rows = read_rows(data)
    except NumbersError as error:
        raise ProfileError("bad_profile", f"{error}; {HOW}") from error
    points = points_of(rows)
    gaps = not np.isfinite(points).all()
    return line_of(points), ("profile_gaps",) if gaps else ()


def line_of(points: Numbers) -> Points:
    """[n, 2] ordered by x, each x once, without what is not finite. Raises ProfileError."""
    kept = points[np.isfinite(points).all(axis=1)]
    x, where = np.unique(kept[:, 0], return_inverse=True)
    if len(x) < POINTS_MIN:
        raise ProfileError(
            "empty_profile",
            f"{len(x)} point(s) with a column of their own; a line has {POINTS_MIN} or more",
        )
    y = np.bincount(where.ravel(), weights=kept[:, 1]) / np.bincount(where.ravel())
    return np.column_stack([x, y])


def points_of(rows: Sequence[Sequence[float]]) -> Numbers:
    """[n, 2]: rows of two numbers are points, two rows of many are x and y.

    Raises ProfileError.
    """
    if not rows:
        raise ProfileError("empty_profile", f"it holds no numbers; {HOW}")
    widths = {len(row) for row in rows}
    if len(rows) == 2 and widths == {2}:
        return _two_by_two(np.array(rows))
    if widths == {2}:
        return np.array(rows)
    if len(rows) == 2:
        if len(widths) != 1:
            raise ProfileError(
                "bad_profile", f"{len(rows[0])} values of x and {len(rows[1])} of y; {HOW}"
            )
        return np.array(rows).T
    wrong = next(at for at, row in enumerate(rows, 1) if len(row) != 2)
    raise ProfileError(
        "bad_profile", f"row {wrong} of {len(rows)} has {len(rows[wrong - 1])} number(s); {HOW}"
    )


def _two_by_two(square: Numbers) -> Numbers:
    """Two points in either way of writing: a wall is flat rather than steep."""
    with np.errstate(all="ignore"):
        steep = [
            abs(float(points[1, 1] - points[0, 1]) / float(points[1, 0] - points[0, 0] or np.nan))
            for points in (square, square.T)
        ]
    as_rows, as_columns = (slope if np.isfinite(slope) else np.inf for slope in steep)
    return square.T if as_columns < as_rows else square
