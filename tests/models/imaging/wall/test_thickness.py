"""Thickness: pixels always, millimetres with a spacing only."""

import numpy as np
import pytest

from models.imaging.wall.thickness import per_column, summary


def test_thickness_is_what_lies_between_the_lines_column_by_column() -> None:
    apart = per_column(np.array([10.0, 11.0, 12.0]), np.array([20.0, 23.0, 21.5]))
    np.testing.assert_allclose(apart, [10, 12, 9.5])


def test_mean_and_largest_are_told_in_pixels_and_in_the_millimetres_of_a_row() -> None:
    apart = np.array([10.0, 12.0, 8.0])
    pixels, millimetres = summary(apart), summary(apart, 0.06)
    assert pixels is not None and millimetres is not None
    assert (pixels.mean, pixels.max) == (10, 12)
    assert (millimetres.mean, millimetres.max) == pytest.approx((0.6, 0.72))


def test_without_a_spacing_or_a_column_there_is_no_thickness() -> None:
    assert summary(np.array([10.0]), None) is None
    assert summary(np.empty(0)) is None
