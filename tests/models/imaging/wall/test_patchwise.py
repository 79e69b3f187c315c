"""The paper's way: patches about pixels, the strongest answer in each column, two open snakes."""

import numpy as np

from models.imaging.wall.locating import Stretch
from models.imaging.wall.patchwise import (
    AWAY_PX,
    CLASSES,
    FAR_PX,
    PATCH_PX,
    centres,
    patches,
    sweep,
    traced,
)  # fmt: skip
from tests.models.imaging.wall.pictures import frame

LI, MA, BACKGROUND = range(3)


def test_places_lie_on_the_lines_and_background_near_neither_and_not_far_away() -> None:
    _, lines = frame(slope=0.1)
    places, classes = centres(lines, 200, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(classes), [200] * len(CLASSES))
    x, y = places.T
    away = [y - np.interp(x, line[:, 0], line[:, 1]) for line in lines]
    np.testing.assert_allclose(away[0][classes == LI], 0, atol=1e-9)
    np.testing.assert_allclose(away[1][classes == MA], 0, atol=1e-9)
    rest = np.stack(away)[:, classes == BACKGROUND]
    assert np.abs(rest).min() >= FAR_PX - 1e-9
    assert np.abs(rest).min(axis=0).max() <= AWAY_PX + 1e-9
    assert (rest[0] < 0).any() and (rest[1] > 0).any()


def test_background_lies_between_the_lines_too_where_they_leave_room() -> None:
    x = np.arange(100.0)
    lines = tuple(np.column_stack([x, np.full(100, y)]) for y in (100.0, 160.0))
    places, classes = centres((lines[0], lines[1]), 300, np.random.default_rng(0))
    y = places[classes == BACKGROUND, 1]
    assert ((y > 100 + FAR_PX - 1e-9) & (y < 160 - FAR_PX + 1e-9)).sum() > 30


def test_a_patch_is_centred_to_a_part_of_a_pixel() -> None:
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[:, None], 200, axis=1)
    pixels = np.repeat(ramp[..., None], 3, axis=2)
    (patch,) = patches(pixels, np.array([[100.0, 80.0]]), 64)
    assert patch.shape == (64, 64, 3)
    # An even number of pixels has no middle one: the centre is the edge between two.
    assert abs(float(patch[:, 32, 0].mean()) - 80) < 0.6
    (corner,) = patches(pixels, np.array([[0.0, 0.0]]), PATCH_PX)
    assert corner[:10].max() == 0


def test_a_sweep_holds_every_row_about_the_wall_in_every_few_columns() -> None:
    x = np.arange(50.0, 250.0)
    found = sweep(Stretch(x, 100 + 0.1 * x, 0.3), 400, 8)
    assert len(found.centres) == len(found.x) * found.rows == 25 * 75
    assert list(found.x[:2]) == [50, 58]
    first = found.centres[: found.rows]
    assert (first[:, 0] == 50).all() and (np.diff(first[:, 1]) == 1).all()
    low = sweep(Stretch(x, np.full(200, 395.0), 0.3), 400, 8)
    assert low.centres[:, 1].max() == 399


def test_the_strongest_answer_of_each_column_becomes_a_smooth_line() -> None:
    wall = Stretch(np.arange(400.0), 150 + 10 * np.sin(np.arange(400.0) / 60), 0.3)
    found = sweep(wall, 400, 4)
    middle = np.interp(found.x, wall.x, wall.y)
    y = found.centres[:, 1].reshape(len(found.x), found.rows)
    rng = np.random.default_rng(0)
    scores = np.zeros((*y.shape, 3))
    for k, line in ((LI, middle - 6.3), (MA, middle + 6.3)):
        noisy = line + rng.normal(0, 1, len(line))
        scores[..., k] = np.exp(-(((y - noisy[:, None]) / 2) ** 2))
    lines = traced(found, scores.reshape(-1, 3).astype(np.float32))
    x, upper, lower = lines.x, lines.upper, lines.lower
    assert len(x) > 380 and (lower >= upper).all()
    true = np.interp(x, wall.x, wall.y)
    assert np.abs(upper - (true - 6.3)).mean() < 0.6
    assert np.abs(lower - (true + 6.3)).mean() < 0.6


def test_columns_that_answer_weakly_are_left_out_and_lines_that_cross_meet_in_the_middle() -> None:
    wall = Stretch(np.arange(200.0), np.full(200, 100.0), 0.3)
    found = sweep(wall, 300, 4)
    scores = np.zeros((len(found.x), found.rows, 3))
    scores[:, 50, LI], scores[:, 40, MA] = 0.9, 0.9
    scores[20:30] *= 0.3
    lines = traced(found, scores.reshape(-1, 3).astype(np.float32))
    x, upper, lower = lines.x, lines.upper, lines.lower
    assert 140 < len(x) < 170 and not ((x > 84) & (x < 112)).any()
    np.testing.assert_allclose(upper, lower)
