"""The bootstrap over subjects: against closed forms, and where it must speak up."""

import time

import numpy as np
import pytest

from models import stats
from models.discovery import tasks
from models.findings import Labels, Measure

LABELS = Labels(("no", "yes"), "yes")


def mean_score(measures: list[Measure], weights: stats.Floats) -> stats.Floats:
    """A metric whose bootstrap has a closed form: the mean of the first score."""
    return weights @ np.array([row.scores[0] for row in measures]) / weights.sum(axis=1)


def cases(values: list[float], per_subject: int = 1) -> list[Measure]:
    return [
        Measure(f"c{k:04d}", f"s{k // per_subject}", k % 2, np.array([value, 1 - value]))
        for k, value in enumerate(values)
    ]


def test_the_spread_of_a_mean_is_known() -> None:
    # 25 subjects, half .4 and half .6: standard error .1 / 5 = .02, interval of about 4 of them.
    rows = cases([0.4, 0.6] * 12 + [0.5])
    found = stats.interval(rows, mean_score)
    assert found.value == pytest.approx(0.5)
    assert found.low is not None and found.high is not None
    assert found.high - found.low == pytest.approx(3.92 * 0.0196, rel=0.12)
    assert (found.subjects, found.cases, found.few_subjects) == (25, 25, False)


def test_cases_of_one_subject_count_as_one() -> None:
    # The same values as 100 subjects, then as 10 of ten equal cases each: sqrt(10) wider.
    values = [0.4] * 50 + [0.6] * 50
    apart, together = (stats.interval(cases(values, n), mean_score) for n in (1, 10))
    assert apart.high is not None and apart.low is not None
    assert together.high is not None and together.low is not None
    ratio = (together.high - together.low) / (apart.high - apart.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)


def test_few_subjects_are_said_and_their_cases_resampled() -> None:
    # Seven subjects alike: subjects alone would give no spread at all.
    rows = cases([0.4, 0.6] * 14, per_subject=4)
    found = stats.interval(rows, mean_score)
    assert found.few_subjects and found.subjects == 7
    assert found.low is not None and found.low < 0.49
    assert found.record()["few_subjects"] is True
    eight = stats.interval(cases([0.4, 0.6] * 16, per_subject=4), mean_score)
    assert (eight.low, eight.high) == pytest.approx((0.5, 0.5))
    assert "few_subjects" not in eight.record()


def test_every_draw_holds_as_many_cases_as_its_subjects_have() -> None:
    rows = cases([0.5] * 12, per_subject=4)
    (weights,) = stats.resamples(rows, 50, seed=1)
    assert weights.shape == (50, 12)
    assert (weights.sum(axis=1) == 12).all()
    assert (weights.reshape(50, 3, 4).sum(axis=2) % 4 == 0).all()  # whole subjects


def test_one_seed_draws_the_same_and_another_other() -> None:
    rows = cases([0.1, 0.9] * 10)
    assert stats.interval(rows, mean_score, seed=1) == stats.interval(rows, mean_score, seed=1)
    assert stats.interval(rows, mean_score, seed=1) != stats.interval(rows, mean_score, seed=2)


def test_a_paired_loss_knows_that_the_cases_are_the_same() -> None:
    # Scores differ wildly between cases, but the loss is .06 or -.04 by turns: SE .05 / 4.
    base = np.linspace(0.2, 0.8, 16)
    other = base - np.tile([0.06, -0.04], 8)
    found = stats.paired(cases(list(base)), cases(list(other)), mean_score)
    assert found.loss == pytest.approx(0.01)
    assert found.se == pytest.approx(0.0125, rel=0.1)
    assert found.low < 0 < found.high
    assert found.p == pytest.approx(0.42, abs=0.08)  # two-sided, z = 0.8


def test_a_sure_loss_has_a_small_p_and_an_equal_run_none() -> None:
    rows, worse = cases([0.8] * 20), cases([0.7] * 20)
    assert stats.paired(rows, worse, mean_score).p == pytest.approx(2 / 1001)
    same = stats.paired(rows, rows, mean_score)
    assert (same.loss, same.se, same.p) == (0.0, 0.0, 1.0)


def test_runs_on_different_cases_are_no_pair() -> None:
    with pytest.raises(ValueError, match="runs best and other"):
        stats.paired(cases([0.1] * 9), cases([0.1] * 10), mean_score)


def test_resamples_without_a_class_are_left_out() -> None:
    task = tasks()["frame_quality"]
    rows = [
        Measure(f"c{k}", f"s{k}", int(k == 0), np.array([0.9, 0.1]) if k else np.array([0.2, 0.8]))
        for k in range(10)
    ]
    found = stats.interval(rows, stats.headline(task, LABELS))
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    one_class = stats.interval(rows[1:], stats.headline(task, LABELS))
    assert (one_class.value, one_class.low, one_class.high) == (None, None, None)
    assert stats.interval([], stats.headline(task, LABELS)).value is None


def test_a_task_without_a_fast_path_gets_the_same_intervals() -> None:
    task = tasks()["frame_quality"]
    slow = type(task)(**{**vars(task), "weighted": None})
    rng = np.random.default_rng(0)
    rows = cases(list(rng.uniform(size=24)), per_subject=2)
    fast_way = stats.intervals(rows, stats.every(task, LABELS), n=60)
    slow_way = stats.intervals(rows, stats.every(slow, LABELS), n=60)
    assert list(fast_way) == list(slow_way) == ["auc", "accuracy", "balanced_accuracy"]
    for name, found in fast_way.items():
        assert found.value == pytest.approx(slow_way[name].value)
        assert found.low == pytest.approx(slow_way[name].low)


def test_a_thousand_resamples_of_a_thousand_cases_take_no_minute() -> None:
    task = tasks()["classification"]
    labels = Labels(("a", "b", "c"))
    rng = np.random.default_rng(0)
    rows = [
        Measure(f"c{k}", f"s{k}", int(rng.integers(3)), rng.dirichlet(np.ones(3)))
        for k in range(1000)
    ]
    started = time.process_time()
    stats.interval(rows, stats.headline(task, labels))
    assert time.process_time() - started < 5  # measured 0.2; one by one it would be a minute
