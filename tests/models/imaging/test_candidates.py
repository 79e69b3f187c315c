"""Candidates of a probability map, and the calibration of their scores."""

import numpy as np
import pytest

from models.imaging import candidates

SIZE = 128
RNG = np.random.default_rng


def blobs(*drawn: tuple[float, float, float, float], size: int = SIZE) -> np.ndarray:
    """A map of bumps (x, y, radius, height), flat within and soft at the rim."""
    y, x = np.mgrid[:size, :size] + 0.5
    surface = np.zeros((size, size))
    for at_x, at_y, radius, height in drawn:
        away = np.hypot(x - at_x, y - at_y)
        surface = np.maximum(surface, height / (1 + np.exp((away - radius) / 0.7)))
    return surface.astype(np.float32)


def test_a_blob_is_a_candidate_in_pixels_of_the_case() -> None:
    (found,) = candidates.find(blobs((64, 32, 16, 0.9)), (256, 384))
    assert found.box == pytest.approx((144, 32, 240, 96), abs=5)
    assert found.centroid == pytest.approx((192, 64), abs=1.5)
    assert found.area_px == pytest.approx(np.pi * 48 * 32, rel=0.05)
    assert 0.8 < found.mean < 0.9


def test_a_faint_thing_is_found_and_a_bright_one_keeps_its_own_outline() -> None:
    bright, faint = (30, 40, 10, 0.95), (90, 90, 12, 0.2)
    found = candidates.find(blobs(bright, faint), (SIZE, SIZE))
    assert [candidate.centroid for candidate in found] == [
        pytest.approx((30, 40), abs=1), pytest.approx((90, 90), abs=1),
    ]  # fmt: skip
    assert found[0].area_px == pytest.approx(np.pi * 100, rel=0.1)


def test_a_lower_component_counts_only_where_it_holds_no_candidate() -> None:
    """Two bright cores in one dim cloud are two candidates, not three."""
    cloud = blobs((64, 64, 40, 0.2), (50, 64, 8, 0.9), (80, 64, 8, 0.8))
    found = candidates.find(cloud, (SIZE, SIZE))
    assert len(found) == 2
    assert found[0].centroid == pytest.approx((50, 64), abs=1)
    alone = candidates.find(blobs((64, 64, 40, 0.2)), (SIZE, SIZE))
    assert len(alone) == 1 and alone[0].area_px > 4000


def test_what_is_too_small_is_none() -> None:
    speck = np.zeros((SIZE, SIZE), np.float32)
    speck[10:12, 10:14] = 0.9  # 8 of 16 384 pixels; the limit is 8.2
    assert candidates.find(speck, (SIZE, SIZE)) == []
    speck[12, 10] = 0.9
    assert len(candidates.find(speck, (SIZE, SIZE))) == 1


def test_an_empty_and_a_full_map_are_no_error() -> None:
    assert candidates.find(np.zeros((SIZE, SIZE), np.float32), (50, 70)) == []
    (whole,) = candidates.find(np.ones((SIZE, SIZE), np.float32), (50, 70))
    assert whole.box == (0, 0, 70, 50)
    assert whole.area_px == 3500
    assert whole.features[2] == 0.0 and whole.features[4] == 1.0  # the largest; at the border


def test_no_more_than_fifty_and_the_most_probable_first() -> None:
    heights = RNG(0).uniform(0.1, 0.9, 100)
    drawn = [(12 * (k % 10) + 8, 12 * (k // 10) + 8, 3, heights[k]) for k in range(100)]
    found = candidates.find(blobs(*drawn), (SIZE, SIZE))
    assert len(found) == candidates.MOST
    means = [candidate.mean for candidate in found]
    assert means == sorted(means, reverse=True)
    assert means[-1] > np.median(heights) * 0.6


def test_a_large_frame_is_searched_at_a_smaller_scale_and_told_in_its_own_pixels() -> None:
    surface = blobs((40, 64, 10, 0.9))
    (small,) = candidates.find(surface, (480, 640))
    (large,) = candidates.find(surface, (1440, 1920))
    assert np.array(large.box) == pytest.approx(3 * np.array(small.box), abs=4)
    assert large.area_px == pytest.approx(9 * small.area_px, rel=0.02)
    assert np.array(large.centroid) == pytest.approx(3 * np.array(small.centroid), abs=1)
    assert large.features == pytest.approx(small.features, abs=0.05)
    assert all(value == int(value) for value in large.box)


def test_without_a_calibration_the_score_is_the_mean_probability() -> None:
    found = candidates.find(blobs((30, 40, 10, 0.95), (90, 90, 12, 0.2)), (SIZE, SIZE))
    assert candidates.scores(found, ()).tolist() == [candidate.mean for candidate in found]
    assert candidates.scores([], tuple(candidates.PRIOR)).shape == (0,)


def test_the_prior_says_what_the_mean_says() -> None:
    found = candidates.find(blobs((30, 40, 10, 0.95), (90, 90, 12, 0.2)), (SIZE, SIZE))
    by_prior = candidates.scores(found, tuple(candidates.PRIOR))
    assert by_prior == pytest.approx(candidates.scores(found, ()), abs=1e-6)
    nothing = candidates.fit(np.empty((0, 5)), np.empty(0, bool))
    assert nothing == pytest.approx(tuple(candidates.PRIOR))


def features(means: np.ndarray) -> np.ndarray:
    """Peak a little above the mean; sizes and borders that say nothing."""
    odds = np.log(means / (1 - means))
    rng = RNG(3)
    return np.column_stack([
        odds + 0.5, odds, np.zeros(len(means)), rng.normal(0, 2, len(means)),
        rng.integers(0, 2, len(means)),
    ])  # fmt: skip


def test_the_score_becomes_the_frequency_of_hits() -> None:
    """A network that is far too sure: what it calls 0.9 is right as often as not."""
    rng = RNG(0)
    means = rng.uniform(0.1, 0.98, 4000)
    chance = 1 / (1 + np.exp(-(0.8 * np.log(means / (1 - means)) - 2)))
    hit = rng.uniform(size=4000) < chance
    fitted = candidates.fit(features(means[:2000]), hit[:2000])
    score = candidates.logistic(features(means)[2000:], fitted)
    assert score.mean() == pytest.approx(hit[2000:].mean(), abs=0.03)
    for low in (0.0, 0.2, 0.4, 0.6):
        within = (score >= low) & (score < low + 0.2)
        assert within.sum() > 50
        assert score[within].mean() == pytest.approx(hit[2000:][within].mean(), abs=0.08)


@pytest.mark.parametrize("all_are", [True, False])
def test_candidates_of_one_outcome_shift_the_scores_and_keep_their_order(all_are: bool) -> None:
    means = np.linspace(0.1, 0.95, 60)
    fitted = candidates.fit(features(means), np.full(60, all_are))
    found = candidates.logistic(features(means) * [1, 1, 0, 0, 0], fitted)
    assert (np.diff(found) > 0).all()
    assert found.min() > 0.001 and found.max() < 0.9999
    assert (found.mean() > means.mean()) == all_are


def test_a_calibration_never_turns_the_order_round() -> None:
    """Even where, by chance, the surer candidates of validation are the false ones."""
    means = np.linspace(0.1, 0.95, 100)
    fitted = candidates.fit(features(means), means < 0.5)
    assert fitted[1] >= 0 and fitted[2] >= 0.1
    found = candidates.logistic(features(means) * [1, 1, 0, 0, 0], fitted)
    assert (np.diff(found) > 0).all()


def test_a_satellite_stands_below_what_it_lies_beside() -> None:
    large, small = candidates.find(blobs((64, 64, 30, 0.9), (110, 110, 7.5, 0.9)), (SIZE, SIZE))
    assert large.features[2] == 0.0
    assert small.features[2] == pytest.approx(-4, abs=0.2)  # a sixteenth
    assert large.features[3] - small.features[3] == pytest.approx(4, abs=0.3)
    (alone,) = candidates.find(blobs((110, 110, 7.5, 0.9)), (SIZE, SIZE))
    assert alone.features[2] == 0.0 and alone.features[3] == small.features[3]


def test_satellites_that_are_false_lower_the_score_of_satellites_not_of_small_things() -> None:
    """Large ones hit, small ones beside them do not: a small one alone stays likely."""
    rng = RNG(1)
    hit = np.repeat([True, False], 100)
    standing = np.where(hit, 0.0, rng.uniform(-6, -3, 200))
    area = np.where(hit, rng.uniform(1, 4, 200), rng.uniform(-4, -1, 200))
    odds = np.full(200, 1.5)
    rows = np.column_stack([odds + 1, odds, standing, area, np.zeros(200)])
    fitted = candidates.fit(rows, hit)
    large, satellite, alone = candidates.logistic(
        np.array([[2.5, 1.5, 0, 3, 0], [2.5, 1.5, -5, -2, 0], [2.5, 1.5, 0, -2, 0]]), fitted
    )
    assert satellite < 0.2 < 0.7 < alone < large
