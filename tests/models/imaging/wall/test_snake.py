"""Open contours: what is noise goes, what is the wall's stays."""

import numpy as np

from models.imaging.wall.snake import relaxed, stiffened

X = np.arange(400, dtype=np.float64)


def test_noise_goes_and_a_plaque_stays() -> None:
    rng = np.random.default_rng(0)
    plaque = 20 * np.exp(-(((X - 200) / 60) ** 2))
    found = stiffened(plaque + rng.normal(0, 1, 400), np.ones(400), 24)
    assert np.abs(found - plaque).mean() < 0.35
    assert np.abs(found - plaque).max() < 1.5


def test_waves_of_the_given_length_are_halved_and_long_ones_kept() -> None:
    for length, least, most in ((24, 0.45, 0.55), (12, 0.0, 0.1), (120, 0.98, 1.0)):
        wave = np.sin(2 * np.pi * X / length)
        found = stiffened(wave, np.ones(400), 24)[100:300]
        assert least < np.abs(found).max() <= most


def test_a_straight_line_is_kept_to_its_ends() -> None:
    line = 50 + 0.3 * X
    np.testing.assert_allclose(stiffened(line, np.ones(400), 24), line, atol=1e-6)


def test_where_nothing_is_seen_the_line_runs_on_straight() -> None:
    edge, weight = 50 + 0.3 * X, np.ones(400)
    edge[150:180], weight[150:180] = 500, 0
    edge[380:], weight[380:] = 0, 0
    np.testing.assert_allclose(stiffened(edge, weight, 24), 50 + 0.3 * X, atol=0.5)


def test_a_line_is_drawn_step_by_step_to_an_edge_that_is_out_of_its_sight() -> None:
    def pull(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return y + np.clip(60 - y, -4, 4), np.ones(400)

    np.testing.assert_allclose(relaxed(np.full(400, 50.0), pull, 24), 60, atol=1e-6)


def test_a_line_of_two_columns_is_left_alone() -> None:
    line = np.array([3.0, 4.0])
    assert relaxed(line, lambda y: (y + 1, np.ones(2)), 24) is line
