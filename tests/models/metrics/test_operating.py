"""Operating points against a curve worked by hand."""

import numpy as np
import pytest

from models.findings import Labels, Measure
from models.metrics.operating import UnknownPointError, at_threshold, operating_points

LABELS = Labels(("no", "yes"), "yes")
NEGATIVES = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]
POSITIVES = [0.99, 0.90, 0.86, 0.40]


def cases(negatives: list[float], positives: list[float]) -> list[Measure]:
    rows = [(0, score) for score in negatives] + [(1, score) for score in positives]
    return [
        Measure(f"case_{k}", f"subject_{k}", truth, np.array([1 - score, score]))
        for k, (truth, score) in enumerate(rows)
    ]


ROWS = cases(NEGATIVES, POSITIVES)


def test_the_threshold_lies_midway_below_the_last_score_that_the_rate_allows() -> None:
    # One alarm of ten is allowed: .95 is it, .85 would be the second. Three of four lie above.
    (point,) = operating_points(ROWS, LABELS, ["fpr=0.10"])
    assert point.threshold == pytest.approx((0.86 + 0.85) / 2)
    assert point.sensitivity == 0.75
    assert point.specificity == 0.9
    assert point.low is not None and point.high is not None
    assert point.low < 0.75 <= point.high


def test_of_thresholds_that_find_as_much_the_highest_is_taken() -> None:
    apart = cases([k / 100 for k in range(20)], [0.7 + k / 100 for k in range(20)])
    (point,) = operating_points(apart, LABELS, ["fpr=0.10"])
    assert (point.sensitivity, point.specificity) == (1.0, 1.0)
    assert point.threshold == pytest.approx((0.7 + 0.19) / 2)


def test_a_wanted_sensitivity_is_met_at_the_highest_specificity() -> None:
    (point,) = operating_points(ROWS, LABELS, ["sensitivity=0.75"])
    assert point.threshold == pytest.approx(0.855)
    assert (point.sensitivity, point.specificity) == (0.75, 0.9)


def test_youden_weighs_both_rates_alike() -> None:
    # At .86: .75 + .9 - 1 = .65. At .40 all are found but six alarms ring: .4.
    (point,) = operating_points(ROWS, LABELS, ["youden"])
    assert point.threshold == pytest.approx(0.855)


def test_what_the_cases_cannot_resolve_is_null_with_a_reason() -> None:
    fine, often = operating_points(ROWS, LABELS, ["fpr=0.05", "sensitivity=0.95"])
    assert fine.threshold is None and fine.sensitivity is None
    assert fine.reason is not None and "10 negative cases" in fine.reason
    assert "at least 20" in fine.reason
    assert often.reason is not None and "4 positive cases" in often.reason


def test_one_class_alone_has_no_point() -> None:
    (point,) = operating_points(cases([], POSITIVES), LABELS, ["youden"])
    assert point.threshold is None
    assert point.reason == "validation has 4 positive and 0 negative cases: both are needed"


def test_scores_no_better_than_all_negative_have_no_point() -> None:
    # Two negatives share the top score: already the first threshold rings at .2.
    (point,) = operating_points(cases([1.0, 1.0, *NEGATIVES[:8]], [0.2]), LABELS, ["fpr=0.10"])
    assert point.threshold is None
    assert point.reason == "no threshold does better than to call every case negative"


def test_points_need_two_classes_and_a_positive_one() -> None:
    assert operating_points(ROWS, Labels(("no", "yes")), ["youden"]) == []
    assert operating_points(ROWS, Labels(("a", "b", "c"), "a"), ["youden"]) == []


def test_the_same_threshold_is_measured_on_other_cases() -> None:
    point = at_threshold(cases([0.1, 0.9], [0.2, 0.8]), LABELS, 0.5, "fpr=0.10")
    assert (point.sensitivity, point.specificity) == (0.5, 0.5)


@pytest.mark.parametrize("name", ["fpr=0", "fpr=x", "best", "sensitivity=1.5", "fpr="])
def test_an_unknown_point_is_named(name: str) -> None:
    with pytest.raises(UnknownPointError, match=name):
        operating_points(ROWS, LABELS, [name])
