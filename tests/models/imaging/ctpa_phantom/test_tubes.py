"""Tubes fill what they should fill, thin ones and thick slices included."""

import numpy as np
import pytest

from models.imaging.ctpa_phantom.grid import Grid
from models.imaging.ctpa_phantom.tubes import Tubes, joined, line, paint


def painted(grid: Grid, tubes: Tubes) -> np.ndarray:
    cover = np.zeros(grid.shape, np.float32)
    paint(cover, grid, tubes)
    return cover


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.5, 3.0, 6.0])
@pytest.mark.parametrize("way", [(0, 0, 1), (0, 1, 0), (1, 1, 0), (1, 2, 2)])
def test_a_tube_fills_its_own_volume(radius: float, way: tuple[int, int, int]) -> None:
    grid = Grid((40, 60, 60), (2.0, 1.2, 1.2), (-35.4, -35.4, -39.0))
    half = 14 * np.array(way) / np.linalg.norm(way)
    cover = painted(grid, line(np.stack([-half, half]), np.full(2, radius)))
    truth = np.pi * radius**2 * 28 + 4 / 3 * np.pi * radius**3
    assert cover.sum() * 2.0 * 1.2**2 == pytest.approx(truth, rel=0.15)
    assert cover.max() <= 1


def test_a_tube_beyond_the_grid_changes_nothing_and_slabs_make_the_whole() -> None:
    grid = Grid((20, 30, 30), (2.0, 1.5, 1.5), (0.0, 0.0, 0.0))
    inside = line(np.array([[5.0, 5, 3], [30, 33, 35]]), np.array([3.0, 1.0]))
    far = line(np.array([[500.0, 5, 3], [530, 33, 35]]), np.array([3.0, 1.0]))
    whole = painted(grid, joined(inside, far))
    assert np.array_equal(whole, painted(grid, inside))
    slabs = [painted(grid.part(k, k + 5), inside) for k in range(0, 20, 5)]
    assert np.concatenate(slabs) == pytest.approx(whole, abs=1e-5)


def test_a_thinner_tube_lies_within_a_thicker_one() -> None:
    grid = Grid((10, 20, 20), (2.0, 1.5, 1.5), (0.0, 0.0, 0.0))
    tube = line(np.array([[5.0, 5, 3], [20, 22, 15]]), np.array([4.0, 3.0]))
    assert (painted(grid, tube.grown(-1.0)) <= painted(grid, tube) + 1e-6).all()
    assert len(tube.grown(-5.0).starts) == 0
