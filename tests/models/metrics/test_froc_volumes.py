"""Emboli in volumes: FROC, the volume's own ROC and operating points, against numbers by hand."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import measures as kept
from models import stats
from models.findings import Measure
from models.metrics import froc, froc_volumes
from models.metrics.operating import UnknownPointError
from tests.models.metrics.volumes import EMBOLUS, MISS, UNSAID, volume, worked


def test_the_curve_has_one_point_for_each_distinct_score_the_lowest_included() -> None:
    found = froc_volumes.score(worked(), EMBOLUS).curves["froc"]
    hits = [0, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3, 4]
    false = [0, 0, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 10]
    assert found == pytest.approx(np.column_stack([np.array(false) / 2, np.array(hits) / 5]))


def test_the_headline_is_the_mean_sensitivity_at_one_to_five_false_positives_per_volume() -> None:
    found = froc_volumes.score(worked(), EMBOLUS).values
    assert next(iter(found)) == "froc"
    at = [found[f"sensitivity_at_{rate}"] for rate in (1, 2, 3, 4, 5)]
    assert at == pytest.approx([1 / 5, 3 / 5, 3 / 5, 3 / 5, 4 / 5])
    assert found["froc"] == pytest.approx((0.2 + 3 * 0.6 + 0.8) / 5)


def test_the_second_candidate_on_an_embolus_is_neither_hit_nor_false_positive() -> None:
    found = froc_volumes.score([volume(2, (0.9, 0), (0.8, 0), (0.7, 0), (0.6, 1))], EMBOLUS)
    assert found.curves["froc"].tolist() == [[0, 0], [0, 0.5], [0, 1.0]]
    assert found.values["froc"] == 1.0


def test_a_candidate_where_nobody_spoke_is_neither() -> None:
    one = froc_volumes.score([volume(1, (0.9, UNSAID), (0.4, 0))], EMBOLUS)
    other = froc_volumes.score([volume(1, (0.4, 0))], EMBOLUS)
    assert one.values == other.values
    assert one.curves["froc"].tolist() == [[0, 0], [0, 1.0]]


def test_volumes_are_ranked_by_their_best_candidate() -> None:
    measures = [
        volume(1, (0.9, MISS), name="a"),  # its candidate missed, yet the volume is positive
        volume(2, (0.6, 0), name="b"),
        volume(0, (0.6, MISS), name="c"),
        volume(0, name="d"),  # no candidate: 0
    ]
    found = froc_volumes.score(measures, EMBOLUS)
    assert found.values["volume_auc"] == pytest.approx(3.5 / 4)  # of four pairs one is tied
    assert found.curves["roc"][-1].tolist() == [1.0, 1.0]


def test_with_one_kind_of_volume_there_is_no_roc() -> None:
    positives = froc_volumes.score(worked(), EMBOLUS)
    assert positives.values["volume_auc"] is None and list(positives.curves) == ["froc"]
    negatives = froc_volumes.score([volume(0, (0.5, MISS)), volume(0, name="b")], EMBOLUS)
    assert set(negatives.values.values()) == {None} and negatives.curves == {}
    assert froc_volumes.score([], EMBOLUS).values == {"froc": None}


def test_volumes_without_any_candidate_find_nothing() -> None:
    found = froc_volumes.score([volume(1), volume(0, name="b")], EMBOLUS)
    assert found.values["froc"] == 0.0 and found.values["volume_auc"] == 0.5
    assert found.curves["froc"].tolist() == [[0.0, 0.0]]


def test_a_threshold_lies_midway_below_the_last_score_it_lets_through() -> None:
    names = ["fp_per_volume=1", "fp_per_volume=2", "fp_per_volume=5"]
    strict, middle, lax = froc_volumes.operating_points(worked(), EMBOLUS, names)
    assert [point.name for point in (strict, middle, lax)] == names
    assert strict.threshold == pytest.approx(0.85)
    assert (strict.sensitivity, strict.fp_per_volume) == (0.2, 0.0)
    assert middle.threshold == pytest.approx((0.55 + 0.45) / 2)
    assert (middle.sensitivity, middle.fp_per_volume) == (0.6, 1.5)
    assert lax.threshold == pytest.approx(0.05)
    assert (lax.sensitivity, lax.fp_per_volume) == (0.8, 5.0)
    assert set(lax.record()) == {
        "name", "threshold", "sensitivity", "fp_per_volume", "low", "high",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("measures", "why"),
    [
        ([volume(0, (0.5, MISS))], "no embolus"),
        ([], "no embolus"),
        ([volume(1, (0.5, MISS))], "no threshold finds any embolus at 0.5 false positives per vol"),
        ([volume(1, (0.5, 0))], r"1 volumes: 0.5 .* per volume .* at least 2"),
    ],
)
def test_what_the_volumes_cannot_resolve_has_no_threshold_and_a_reason(
    measures: list[Measure], why: str
) -> None:
    if why.startswith("no threshold"):
        measures = [*measures, volume(0, name="b")]
    (point,) = froc_volumes.operating_points(measures, EMBOLUS, ["fp_per_volume=0.5"])
    assert point.threshold is None and point.fp_per_volume is None
    assert point.reason is not None and re.search(why, point.reason)
    assert set(point.record()) == {
        "name", "threshold", "sensitivity", "fp_per_volume", "low", "high", "reason",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["fp_per_image=1", "fp_per_volume=0", "fpr=0.1"])
def test_a_point_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownPointError, match="fp_per_volume=x"):
        froc_volumes.operating_points(worked(), EMBOLUS, [name])


def test_a_threshold_found_elsewhere_is_told_as_it_is() -> None:
    point = froc_volumes.at_threshold(worked(), 0.65)
    assert (point.name, point.fp_per_volume, point.fp_per_image) == ("threshold", 1.5, None)
    assert point.sensitivity == pytest.approx(1 / 5)


def test_a_table_has_a_line_for_each_candidate_and_one_for_a_volume_without() -> None:
    first, second = froc_volumes.rows(volume(2, (0.3, MISS), (0.8, 1)), EMBOLUS)
    assert first == {
        "emboli": 2, "score": 0.8, "embolus": 1, "z": 11.0, "y": 20.0, "x": 30.0,
        "diameter_mm": 4.5,
    }  # fmt: skip
    assert (second["score"], second["embolus"]) == (0.3, -1)
    (empty,) = froc_volumes.rows(volume(1), EMBOLUS)
    assert empty == {"emboli": 1, **dict.fromkeys(froc_volumes.MARKS, "")}
    assert list(empty) == list(first)


def test_measures_read_back_are_measured_alike() -> None:
    measures = [*worked(), volume(0, name="c")]
    read, _ = kept.load(kept.save(measures, EMBOLUS))
    assert froc_volumes.score(read, EMBOLUS).values == froc_volumes.score(measures, EMBOLUS).values
    for one, other in zip(read, measures, strict=True):
        assert froc_volumes.rows(one, EMBOLUS) == froc_volumes.rows(other, EMBOLUS)


@st.composite
def volumes(draw: st.DrawFn) -> list[Measure]:
    """Volumes as a poor detector leaves them: ties, doubles, misses, unsaid, none at all."""
    found = []
    for k in range(draw(st.integers(1, 6))):
        emboli = draw(st.integers(0, 3))
        mark = st.tuples(st.integers(1, 9).map(lambda n: n / 9), st.integers(-2, emboli - 1))
        found.append(volume(emboli, *draw(st.lists(mark, max_size=12)), name=f"{k:03d}"))
    return found


def plain(measures: list[Measure]) -> dict[str, float]:
    found = froc_volumes.score(measures, EMBOLUS).values
    return {name: np.nan if value is None else value for name, value in found.items()}


@settings(max_examples=60, deadline=None)
@given(volumes(), st.data())
def test_resamples_count_a_volume_as_often_as_they_hold_it(
    measures: list[Measure], data: st.DataObject
) -> None:
    times = data.draw(
        st.lists(st.integers(0, 3), min_size=len(measures), max_size=len(measures)).filter(any)
    )
    drawn = [row for row, count in zip(measures, times, strict=True) for _ in range(count)]
    weights = np.array([[1] * len(measures), [2] * len(measures), times], dtype=np.float64)
    once, twice, some = (
        {name: value[k] for name, value in froc_volumes.values(measures, EMBOLUS, weights).items()}
        for k in range(3)
    )
    assert once == pytest.approx(plain(measures), nan_ok=True)
    assert twice == pytest.approx(once, nan_ok=True)  # every volume doubled: rates are per volume
    assert some == pytest.approx(plain(drawn), nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(volumes())
def test_sensitivity_grows_with_what_is_allowed_and_the_headline_lies_within(
    measures: list[Measure],
) -> None:
    found = plain(measures)
    at = [found[f"sensitivity_at_{rate}"] for rate in froc_volumes.RATES]
    if not any(row.truth for row in measures):
        assert np.isnan([found["froc"], *at]).all()
        return
    assert at == sorted(at) and 0 <= at[0] <= found["froc"] <= at[-1] + 1e-12 <= 1 + 1e-9


def test_intervals_draw_whole_patients() -> None:
    """Two volumes of one patient are drawn together, so that they tell no more than one does."""
    alone = [volume(1, (0.9, 0 if k % 2 else MISS), name=f"{k:02d}") for k in range(20)]
    twice = [
        volume(1, (0.9, 0 if k % 2 else MISS), name=f"{k:02d}{part}", subject=f"s_{k:02d}")
        for k in range(20) for part in "ab"
    ]  # fmt: skip
    one, other = (
        stats.intervals(rows, lambda m, w: froc_volumes.values(m, EMBOLUS, w), n=400)["froc"]
        for rows in (alone, twice)
    )
    assert (one.low, one.high) == pytest.approx((other.low, other.high))
    assert one.low is not None and one.high is not None and one.low < 0.5 < one.high


def test_many_candidates_are_resampled_in_the_memory_of_a_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measures = [volume(1, *((k / 99, MISS) for k in range(50)), (0.5, 0), name=str(n))
                for n in range(12)]  # fmt: skip
    weights = np.random.default_rng(0).integers(0, 3, (40, 12)).astype(float)
    whole = froc_volumes.values(measures, EMBOLUS, weights)
    monkeypatch.setattr(froc, "HELD", 5000)
    for name, value in froc_volumes.values(measures, EMBOLUS, weights).items():
        assert value == pytest.approx(whole[name], nan_ok=True), name
