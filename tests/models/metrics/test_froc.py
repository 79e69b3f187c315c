"""FROC, average precision and the frame's own values, against numbers worked by hand."""

import tracemalloc
from math import log10

import numpy as np
import pytest

from models import stats
from models.findings import Measure
from models.metrics import froc
from tests.models.metrics.frames import MISS, POLYP, UNSAID, frame, hit, worked


def whole(measures: list[Measure]) -> froc.Curve:
    return froc.curve(froc.events(measures), measures, np.ones((1, len(measures))))


def test_the_curve_has_one_point_for_each_distinct_score_the_lowest_included() -> None:
    found = whole(worked())
    assert found.sensitivity[0] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert found.fp_per_case[0] == pytest.approx([0, 0.5, 0.75, 1.0])
    assert froc.score(worked(), POLYP).curves["froc"] == pytest.approx(
        np.array([[0, 0], [0, 1 / 3], [0.5, 2 / 3], [0.75, 2 / 3], [1, 2 / 3]])
    )


def test_tied_scores_are_one_threshold() -> None:
    """A hit does not come before a false positive of the same score, in whatever order."""
    forward = [frame(1, (0.5, hit(0)), name="a"), frame(0, (0.5, MISS), name="b")]
    for measures in (forward, forward[::-1]):
        found = whole(measures)
        assert found.fp_per_case.tolist() == [[0.5]]
        assert froc.sensitivity_at(found, 0.4).tolist() == [0.0]
        assert froc.sensitivity_at(found, 0.5).tolist() == [1.0]


def test_the_second_candidate_on_a_lesion_is_neither_hit_nor_false_positive() -> None:
    found = whole([frame(1, (0.4, hit(0)), (0.9, hit(0)), (0.6, hit(0)))])
    assert (found.hits.tolist(), found.alarms.tolist()) == ([[1.0]], [[0.0]])
    assert froc.events([frame(1, (0.4, hit(0)), (0.9, hit(0)))]).score.tolist() == [0.9]


def test_a_candidate_where_nobody_spoke_is_neither() -> None:
    found = whole([frame(1, (0.9, UNSAID), (0.4, hit(0)))])
    assert (found.hits.tolist(), found.alarms.tolist()) == ([[1.0]], [[0.0]])
    assert froc.score([frame(1, (0.9, UNSAID), (0.4, hit(0)))], POLYP).values["ap50"] == 1.0


def test_sensitivity_at_a_rate_is_the_best_that_costs_no_more() -> None:
    found = whole(worked())
    at = {rate: float(froc.sensitivity_at(found, rate)[0]) for rate in (0.1, 0.49, 0.5, 1.0)}
    assert at == pytest.approx({0.1: 1 / 3, 0.49: 1 / 3, 0.5: 2 / 3, 1.0: 2 / 3})


def test_the_headline_is_the_mean_height_over_the_logarithm_of_a_tenth_to_one() -> None:
    # 1/3 from 0.1 to 0.5, 2/3 from 0.5 to 1; the decade has length 1.
    expected = log10(5) / 3 + log10(2) * 2 / 3
    assert froc.score(worked(), POLYP).values["froc"] == pytest.approx(expected)


def test_before_its_first_false_positives_a_curve_is_as_high_as_what_costs_none() -> None:
    found = froc.score([frame(1, (0.9, hit(0))), frame(1, (0.9, hit(0)), name="b")], POLYP)
    assert found.values["froc"] == 1.0
    dear = [frame(1, (0.5, MISS), (0.5, hit(0)), name=str(k)) for k in range(2)]
    assert froc.score(dear, POLYP).values["froc"] == pytest.approx(0.0)


def test_no_candidate_at_all_finds_nothing() -> None:
    found = froc.score([frame(1), frame(0, name="b")], POLYP)
    assert found.values["froc"] == 0.0
    assert found.values["ap50"] == 0.0
    assert found.values["frame_auc"] == 0.5
    assert found.curves["froc"].tolist() == [[0.0, 0.0]]
    assert found.curves["pr"].shape == (0, 2)


def test_frames_without_any_lesion_leave_the_headline_undefined() -> None:
    found = froc.score([frame(0, (0.5, MISS)), frame(0, name="b")], POLYP)
    assert found.values["froc"] is None
    assert found.values["ap50"] is None
    assert found.values["frame_auc"] is None
    assert found.curves == {}
    assert froc.score([], POLYP).values == {"froc": None}


def test_rates_of_less_than_one_false_positive_are_not_told() -> None:
    few = froc.score(worked(), POLYP).values
    assert (few["sensitivity_at_0.01"], few["sensitivity_at_0.1"]) == (None, None)
    assert few["sensitivity_at_1"] == pytest.approx(2 / 3)
    many = [frame(1, (0.9, hit(0)), name=str(k)) for k in range(10)]
    assert froc.score(many, POLYP).values["sensitivity_at_0.1"] == 1.0
    assert froc.score(many, POLYP).values["sensitivity_at_0.01"] is None


def test_average_precision_by_box() -> None:
    """Two lesions. .9 on the first; .8 on it again: false; .7 too far off: false; .6 on the second.

    Precision 1/1, 1/2, 1/3, 2/4 at recall 1/2, 1/2, 1/2, 1: the area is 1/2 + 1/2 * 2/4.
    """
    found = froc.score(
        [frame(2, (0.9, hit(0)), (0.8, hit(0, 0.6)), (0.7, hit(1, 0.4)), (0.6, hit(1, 0.5)))], POLYP
    )
    assert found.values["ap50"] == pytest.approx(0.75)
    expected = np.array([[0.5, 1], [0.5, 1 / 2], [0.5, 1 / 3], [1, 2 / 4]])
    assert found.curves["pr"] == pytest.approx(expected)


def test_each_precision_is_the_best_at_that_recall_or_more() -> None:
    # False .9; hits .8 and .7: precision 0, 1/2, 2/3 at recall 0, 1/2, 1 -> all of it at 2/3.
    measures = [frame(2, (0.9, MISS), (0.8, hit(0)), (0.7, hit(1)))]
    assert froc.score(measures, POLYP).values["ap50"] == pytest.approx(2 / 3)


def test_dice_is_the_mean_over_frames_whose_mask_shows_a_lesion() -> None:
    measures = [
        frame(1, pixels=(2, 4, 4), name="a"),  # 4/8, 2/6
        frame(1, pixels=(0, 0, 5), name="b"),  # nothing said
        frame(0, pixels=(0, 7, 0), name="c"),  # nothing there: a false positive, no Dice
        frame(1, name="d"),  # boxes alone
    ]
    found = froc.score(measures, POLYP).values
    assert found["dice"] == pytest.approx(0.25)
    assert found["iou"] == pytest.approx(1 / 6)


def test_frames_are_ranked_by_their_best_candidate() -> None:
    # With lesion: .9, .8; without: .8, none (0). Of four pairs three are won and one is tied.
    found = froc.score(worked(), POLYP)
    assert found.values["frame_auc"] == pytest.approx(3.5 / 4)
    assert found.curves["roc"][-1].tolist() == [1.0, 1.0]
    assert "roc" not in froc.score(worked()[:2], POLYP).curves
    assert froc.score(worked()[:2], POLYP).values["frame_auc"] is None


def drawn_at_random(frames: int, seed: int) -> list[Measure]:
    """Frames as a poor detector leaves them: ties, doubles, misses, and frames without any."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(frames):
        lesions, candidates = int(rng.integers(0, 3)), int(rng.integers(0, 5))
        rows = []
        for _ in range(candidates):
            lesion = int(rng.integers(-1, lesions)) if lesions else -1
            box = int(rng.integers(-1, lesions)) if lesions else -1
            iou = float(rng.uniform()) if box >= 0 else 0.0
            rows.append((float(rng.integers(1, 12) / 12), (lesion, iou, box)))
        pixels = (int(rng.integers(0, 20)), 20, 20) if lesions else (0, 3, 0)
        found.append(frame(lesions, *rows, name=f"{k:03d}", pixels=pixels))
    return found


def test_resamples_count_a_frame_as_often_as_they_hold_it() -> None:
    measures = drawn_at_random(30, seed=1)
    weights = np.random.default_rng(0).integers(0, 3, (6, 30)).astype(float)
    found = froc.values(measures, POLYP, weights)
    for row, times in enumerate(weights.astype(int)):
        drawn = [m for m, count in zip(measures, times, strict=True) for _ in range(count)]
        expected = froc.score(drawn, POLYP).values
        for name, value in expected.items():
            if name == "sensitivity_at_0.1" and len(drawn) < 10:
                continue  # what can be told is settled by the frames there are, not by the draw
            known = np.nan if value is None else value
            assert found[name][row] == pytest.approx(known, nan_ok=True), name


def test_a_thousand_resamples_of_a_thousand_frames_take_seconds_at_most() -> None:
    measures = drawn_at_random(1000, seed=2)
    found = stats.intervals(measures, lambda rows, weights: froc.values(rows, POLYP, weights))
    low, high = found["froc"].low, found["froc"].high
    assert low is not None and high is not None and low < found["froc"].value < high


def test_many_candidates_are_resampled_in_the_memory_of_a_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    measures = [
        frame(1, *((score, MISS) for score in rng.uniform(size=40)), (0.5, hit(0)), name=str(k))
        for k in range(100)
    ]
    weights = rng.integers(0, 3, (300, 100)).astype(float)
    whole = froc.values(measures, POLYP, weights)
    monkeypatch.setattr(froc, "HELD", 100_000)
    tracemalloc.start()
    found = froc.values(measures, POLYP, weights)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6  # in one go it is 125 MB
    for name, value in whole.items():
        assert found[name] == pytest.approx(value, nan_ok=True), name


def test_outcomes_keep_the_features_of_what_counts() -> None:
    marks = np.array([
        [0.9, 0, 0.8, 0, 5.0, 1.0],
        [0.7, 0, 0.6, 0, 4.0, 0.0],  # the second on its lesion
        [0.6, -1, 0.0, -1, 3.0, 0.0],
        [0.5, -2, 0.0, -1, 2.0, 0.0],  # where nobody spoke
    ])  # fmt: skip
    measures = [Measure("a", "s", 1, np.zeros(4), marks), frame(0, name="b")]
    features, found = froc.outcomes(measures)
    assert features.tolist() == [[5.0, 1.0], [3.0, 0.0]]
    assert found.tolist() == [True, False]
    assert froc.outcomes([frame(0)])[0].shape[0] == 0
