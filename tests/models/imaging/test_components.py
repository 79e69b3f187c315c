"""Connected parts of a picture."""

import numpy as np

from models.imaging.components import components


def test_parts_touch_by_a_corner() -> None:
    picture = np.zeros((5, 8), bool)
    picture[0, 0] = picture[1, 1] = True
    picture[2:4, 5:8] = True
    found = components(picture)
    assert found.areas.tolist() == [2, 6]
    assert found.windows.tolist() == [[0, 0, 2, 2], [5, 2, 3, 2]]
    assert found.centres.tolist() == [[1.0, 1.0], [6.5, 3.0]]
    assert found.index[1, 1] == 1 and found.index[3, 7] == 2 and found.index[4, 0] == 0


def test_an_empty_picture_has_none() -> None:
    found = components(np.zeros((4, 4), bool))
    assert len(found.areas) == len(found.windows) == len(found.centres) == 0


def test_a_checkerboard_of_single_pixels_is_one_part_and_a_sparse_grid_many() -> None:
    y, x = np.mgrid[:600, :600]
    assert components((y + x) % 2 == 0).areas.tolist() == [180_000]
    assert len(components((y % 2 == 0) & (x % 2 == 0)).areas) == 90_000
