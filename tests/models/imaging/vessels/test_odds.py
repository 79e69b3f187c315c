"""The network's word and the place's are weighed on what candidates turned out to be."""

import numpy as np
import pytest

from models.imaging.vessels.odds import PRIOR, probabilities, weigh


def drawn(count: int, weights: tuple[float, float, float]) -> tuple[np.ndarray, ...]:
    """Means, plausibilities and hits of candidates whose odds follow these weights."""
    rng = np.random.default_rng(5)
    odds, place = rng.normal(0, 2, count), rng.normal(-3, 2, count)
    right = weights[0] + weights[1] * odds + weights[2] * place
    hit = rng.random(count) < 1 / (1 + np.exp(-right))
    return 1 / (1 + np.exp(-odds)), place, hit


def test_the_weights_that_candidates_were_drawn_by_are_found_again() -> None:
    means, place, hit = drawn(20_000, (-2.0, 0.8, 0.5))
    assert weigh(means, place, hit) == pytest.approx((-2.0, 0.8, 0.5), abs=0.1)


def test_probabilities_are_as_frequent_as_they_say() -> None:
    means, place, hit = drawn(20_000, (-2.0, 0.8, 0.5))
    found = probabilities(means, place, weigh(means, place, hit))
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 1.0)):
        some = (found >= low) & (found < high)
        assert hit[some].mean() == pytest.approx(found[some].mean(), abs=0.03)


def test_without_weights_the_means_stand() -> None:
    means = np.array([0.2, 0.9])
    assert np.array_equal(probabilities(means, np.array([5.0, -5.0]), ()), means)


def test_without_candidates_the_prior_weighs() -> None:
    none = np.empty(0)
    assert weigh(none, none, none.astype(bool)) == pytest.approx(tuple(PRIOR))


def test_four_candidates_make_nothing_certain_and_a_place_never_speaks_against_itself() -> None:
    means, hit = np.array([0.9, 0.8, 0.1, 0.2]), np.array([True, True, False, False])
    weights = weigh(means, np.array([-4.0, -5.0, 2.0, 3.0]), hit)
    assert weights[1] >= 0.1 and weights[2] >= 0
    found = probabilities(np.array([1.0, 0.0]), np.array([900.0, -900.0]), weights)
    assert 0 < found[1] < found[0] < 1
