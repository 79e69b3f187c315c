"""Masks drawn from lines: every pixel by the side on which its centre lies."""

import numpy as np

from models.case import UNKNOWN
from models.imaging.wall.truth import ADVENTITIA, INTIMA_MEDIA, LUMEN, drawn

SIZE = 64
STRAIGHT = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def level(y: float, first: float = 0, last: float = 63) -> np.ndarray:
    return np.array([[first, y], [last, y]])


def test_lumen_lies_above_wall_between_adventitia_below_and_background_farther_away() -> None:
    mask = drawn((level(19.5), level(29.5)), STRAIGHT, SIZE, (SIZE, SIZE))
    column = mask[:, 30]
    np.testing.assert_array_equal(np.flatnonzero(column == LUMEN), np.arange(12, 20))
    np.testing.assert_array_equal(np.flatnonzero(column == INTIMA_MEDIA), np.arange(20, 30))
    np.testing.assert_array_equal(np.flatnonzero(column == ADVENTITIA), np.arange(30, 38))
    assert (column[:12] == 0).all() and (column[38:] == 0).all()


def test_columns_that_nobody_traced_in_both_lines_are_unknown() -> None:
    lines = (level(20, 10, 40), level(30, 15, 50))
    mask = drawn(lines, STRAIGHT, SIZE, (SIZE, SIZE))
    known = np.flatnonzero((mask != UNKNOWN).any(axis=0))
    np.testing.assert_array_equal(known, np.arange(15, 41))


def test_what_lies_beyond_the_image_is_unknown() -> None:
    mask = drawn((level(20), level(30)), STRAIGHT, SIZE, (40, SIZE))
    assert (mask[40:] == UNKNOWN).all() and not (mask[:40] == UNKNOWN).any()


def test_masks_of_many_places_are_right_on_average_to_a_hundredth_of_a_pixel() -> None:
    """A line at 20.3 has 20.8 rows above it, wherever the patch begins."""
    rows = []
    for shift in np.arange(0.005, 1, 0.01):
        moved = np.array([[1.0, 0, 0], [0, 1.0, shift]])
        mask = drawn((level(20.3), level(30.3)), moved, SIZE, (100, SIZE))
        rows.append(np.flatnonzero(mask[:, 5] == INTIMA_MEDIA)[0] + shift)
    assert abs(np.mean(rows) - 20.8) < 0.01
