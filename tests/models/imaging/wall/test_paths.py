"""Paths of the largest gain, alone and in pairs."""

import itertools

import numpy as np
import pytest

from models.imaging.wall.joint import joint_paths
from models.imaging.wall.paths import best_path


def walked(gains: np.ndarray, path: tuple[int, ...], climb: int, cost: float) -> float:
    steps = np.abs(np.diff(path))
    if (steps > climb).any():
        return -np.inf
    return float(sum(gains[row, x] for x, row in enumerate(path)) - cost * steps.sum())


@pytest.mark.parametrize("seed", range(5))
def test_no_path_gains_more_than_the_best_one(seed: int) -> None:
    gains = np.random.default_rng(seed).normal(size=(5, 5)).astype(np.float32)
    found = tuple(int(row) for row in best_path(gains, 2, 0.3))
    every = itertools.product(range(5), repeat=5)
    best = max(walked(gains, path, 2, 0.3) for path in every)
    assert walked(gains, found, 2, 0.3) == pytest.approx(best, abs=1e-5)


def test_a_path_goes_through_a_gap_rather_than_around_it() -> None:
    gains = np.zeros((40, 60), np.float32)
    gains[20] = 1
    gains[20, 25:32] = 0
    np.testing.assert_array_equal(best_path(gains, 1, 0.1), 20)


@pytest.mark.parametrize("seed", range(5))
def test_no_pair_of_paths_in_order_gains_more_than_the_best_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    upper, lower = rng.normal(size=(2, 4, 4)).astype(np.float32)
    allowed = np.arange(4)[None, :] > np.arange(4)[:, None]
    a, b = joint_paths(upper, lower, allowed, (2, 1), (0.2, 0.4))
    assert (b > a).all()
    found = walked(upper, tuple(a), 2, 0.2) + walked(lower, tuple(b), 1, 0.4)
    best = max(
        walked(upper, one, 2, 0.2) + walked(lower, other, 1, 0.4)
        for one in itertools.product(range(4), repeat=4)
        for other in itertools.product(range(4), repeat=4)
        if all(p < q for p, q in zip(one, other, strict=True))
    )
    assert found == pytest.approx(best, abs=1e-5)


def test_two_lines_that_want_the_same_rows_stay_in_order() -> None:
    gains = np.zeros((10, 12), np.float32)
    gains[5] = 3
    allowed = np.arange(10)[None, :] - np.arange(10)[:, None] >= 2
    a, b = joint_paths(gains, gains, allowed, (2, 2), (0.1, 0.1))
    assert (b - a >= 2).all()
    assert ((a == 5) | (b == 5)).all()
