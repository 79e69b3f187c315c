"""From class maps to lines: sub-pixel, in order, and silent where nothing is seen."""

import cv2
import numpy as np
import pytest

from models.imaging.wall.tiles import Strip
from models.imaging.wall.tracing import trace

HEIGHT, WIDTH = 224, 500
X = np.arange(WIDTH, dtype=np.float64)


def strip(upper: np.ndarray, lower: np.ndarray, blur: float = 2.0) -> Strip:
    """What a network sure of both lines puts out: each pixel by its part on either side."""
    rows = np.arange(HEIGHT)[:, None] + 0.5
    above, over = (np.clip(edge + 0.5 - rows + 0.5, 0, 1) for edge in (upper, lower))
    near = (rows > upper - 28) & (rows < lower + 28)
    maps = np.stack([~near, above * near, over - above, (1 - over) * near]).astype(np.float32)
    if blur:
        maps = np.stack([cv2.GaussianBlur(part, (0, 0), blur) for part in maps])
    return Strip(maps / maps.sum(axis=0), 40, 100)


def walls() -> tuple[np.ndarray, np.ndarray]:
    lower = 120 + 12 * np.sin(X / 90) + 0.05 * X
    plaque = 25 * np.exp(-(((X - 330) / 45) ** 2))
    return lower - 10.3 - plaque, lower


@pytest.mark.parametrize("blur", [0.0, 2.0, 4.0])
def test_lines_are_read_to_a_small_part_of_a_pixel_under_plaque_too(blur: float) -> None:
    upper, lower = walls()
    found = trace(strip(upper, lower, blur))
    np.testing.assert_array_equal(found.x, X + 40)
    assert found.looked == WIDTH
    assert np.abs(found.upper - 100 - upper).mean() < 0.15
    assert np.abs(found.lower - 100 - lower).mean() < 0.15
    assert abs((found.lower - found.upper - (lower - upper)).mean()) < 0.05


@pytest.mark.parametrize("seed", range(4))
def test_lines_never_cross_whatever_the_map(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.dirichlet(np.ones(4) / 2, size=(12, 26)).astype(np.float32)
    maps = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    found = trace(Strip(np.ascontiguousarray(maps.transpose(2, 0, 1)), 0, 0))
    assert (found.lower > found.upper).all()
    assert len(found.x) <= found.looked == WIDTH


def test_columns_where_the_map_shows_no_wall_are_left_out_and_counted() -> None:
    seen = strip(*walls())
    seen.scores[:, :, 300:400] = 0
    seen.scores[0, :, 300:400] = 1
    found = trace(seen)
    left_out = sorted(set(X + 40) - set(found.x))
    assert 80 <= len(left_out) <= 120 and found.looked - len(found.x) == len(left_out)
    assert min(left_out) >= 330 and max(left_out) <= 450


def test_a_gap_of_a_few_columns_is_bridged_by_the_lines() -> None:
    upper, lower = walls()
    seen = strip(upper, lower)
    seen.scores[:, :, 100:112] = 0
    found = trace(seen)
    assert len(found.x) == WIDTH
    assert np.abs(found.upper - 100 - upper)[95:117].max() < 1.0


def test_where_only_background_is_seen_no_column_is_traced() -> None:
    maps = np.zeros((4, HEIGHT, WIDTH), np.float32)
    maps[0] = 1
    found = trace(Strip(maps, 0, 0))
    assert len(found.x) == 0 and found.looked == WIDTH
    assert found.evidence.sum() == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (60, 1), (3, 3), (8, 9)])
def test_the_smallest_strips_are_answered(shape: tuple[int, int]) -> None:
    found = trace(Strip(np.full((4, *shape), 0.25, np.float32), 0, 0))
    assert found.looked == shape[1]
