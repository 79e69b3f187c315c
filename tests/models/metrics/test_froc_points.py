"""Operating points of a detector, against the same hand-worked frames."""

import re

import numpy as np
import pytest

from models.findings import Measure
from models.metrics.froc_points import at_threshold, operating_points
from models.metrics.operating import UnknownPointError
from tests.models.metrics.frames import MISS, POLYP, frame, hit, worked


def test_a_threshold_lies_midway_below_the_last_score_it_lets_through() -> None:
    (point,) = operating_points(worked(), POLYP, ["fp_per_image=1"])
    # Two of three lesions are found from .8 on; what lies below is false and buys nothing.
    assert point.threshold == pytest.approx((0.8 + 0.3) / 2)
    assert point.sensitivity == pytest.approx(2 / 3)
    assert point.fp_per_image == pytest.approx(0.5)


def test_a_tighter_rate_has_a_higher_threshold() -> None:
    strict, lax = operating_points(worked(), POLYP, ["fp_per_image=0.4", "fp_per_image=0.5"])
    assert (strict.threshold, lax.threshold) == (pytest.approx(0.85), pytest.approx(0.55))
    assert (strict.sensitivity, strict.fp_per_image) == (pytest.approx(1 / 3), 0.0)


def test_the_lowest_score_of_all_has_a_threshold_below_it() -> None:
    (point,) = operating_points([frame(1, (0.6, hit(0)))], POLYP, ["fp_per_image=1"])
    assert point.threshold == pytest.approx(0.3)


def test_points_come_in_the_order_they_are_asked_for_and_are_json_of_one_price() -> None:
    names = ["fp_per_image=1", "fp_per_image=0.5"]
    found = operating_points(worked(), POLYP, names)
    assert [point.name for point in found] == names
    assert set(found[0].record()) == {
        "name", "threshold", "sensitivity", "fp_per_image", "low", "high",
    }  # fmt: skip
    (unresolved,) = operating_points(worked(), POLYP, ["fp_per_image=0.001"])
    assert set(unresolved.record()) == {*found[0].record(), "reason"}


@pytest.mark.parametrize(
    ("measures", "why"),
    [
        (worked(), r"4 frames.*at least 10"),
        ([frame(0, (0.5, MISS), name=str(k)) for k in range(10)], "no lesion"),
        ([frame(1, (0.5, MISS), name=str(k)) for k in range(10)], "no threshold finds any lesion"),
        ([frame(1, name=str(k)) for k in range(10)], "no threshold finds any lesion"),
        ([], "no lesion"),
    ],
)
def test_what_the_frames_cannot_resolve_has_no_threshold_and_a_reason(
    measures: list[Measure], why: str
) -> None:
    (point,) = operating_points(measures, POLYP, ["fp_per_image=0.1"])
    assert point.threshold is None and point.sensitivity is None
    assert point.reason is not None
    assert re.search(why, point.reason)


def test_the_interval_is_of_the_sensitivity_at_the_fixed_threshold() -> None:
    measures = [
        frame(1, *([(0.9, hit(0))] if k % 4 else []), (0.2, MISS), name=str(k)) for k in range(40)
    ]
    (point,) = operating_points(measures, POLYP, ["fp_per_image=0.1"])
    assert point.sensitivity == pytest.approx(0.75)
    assert point.low is not None and point.high is not None
    assert 0.55 < point.low < 0.75 < point.high < 0.9


def test_a_threshold_found_elsewhere_is_told_as_it_is() -> None:
    point = at_threshold(worked(), 0.25)
    assert (point.sensitivity, point.fp_per_image) == (pytest.approx(2 / 3), pytest.approx(0.75))
    assert at_threshold(worked(), 0.8).fp_per_image == 0.5  # at or above
    assert at_threshold(worked(), 1.1).sensitivity == 0.0


@pytest.mark.parametrize("name", ["fpr=0.1", "fp_per_image=0", "fp_per_image=x", "youden"])
def test_a_point_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownPointError, match="fp_per_image=x"):
        operating_points(worked(), POLYP, [name])


def test_a_point_is_the_same_for_the_same_frames() -> None:
    first, second = (operating_points(worked(), POLYP, ["fp_per_image=1"]) for _ in range(2))
    assert first == second
    assert not np.isnan(first[0].low or 0.0)
