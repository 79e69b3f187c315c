"""A boundary's height at any column."""

import numpy as np

from models.imaging.wall.geometry import by_column, heights


def test_a_line_has_a_height_between_its_points_and_none_beyond_its_ends() -> None:
    line = np.array([[2.0, 10.0], [4.0, 14.0]])
    found = heights(line, np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    np.testing.assert_allclose(found, [np.nan, 10, 12, 14, np.nan])


def test_two_lines_share_the_whole_columns_that_both_cover() -> None:
    upper = np.array([[1.4, 10.0], [9.0, 10.0]])
    lower = np.array([[0.0, 20.0], [6.6, 33.2]])
    x, above, below = by_column((upper, lower))
    np.testing.assert_array_equal(x, [2, 3, 4, 5, 6])
    np.testing.assert_allclose(above, 10)
    np.testing.assert_allclose(below, 20 + 2 * x)


def test_lines_apart_share_nothing_and_an_empty_line_has_no_height() -> None:
    nothing = np.empty((0, 2))
    far = np.array([[50.0, 1.0], [60.0, 1.0]])
    near = np.array([[0.0, 1.0], [10.0, 1.0]])
    assert len(by_column((near, far))[0]) == 0
    assert len(by_column((near, nothing))[0]) == 0
    assert np.isnan(heights(nothing, np.arange(3.0))).all()
