"""ROC arithmetic against numbers worked by hand, ties included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics.roc import at_fpr, auc, macro_auc, roc, weighted_auc

# Positives .9 .5 .5, negatives .5 .3. Of 6 pairs .9 wins 2; each .5 ties one and wins one: 1.5.
TRUTH = np.array([True, True, True, False, False])
SCORE = np.array([0.9, 0.5, 0.5, 0.5, 0.3])


def test_a_tie_counts_half() -> None:
    assert auc(TRUTH, SCORE) == pytest.approx(5 / 6)


def test_reversed_scores_lose_what_was_won() -> None:
    assert auc(TRUTH, -SCORE) == pytest.approx(1 / 6)


def test_equal_scores_are_a_coin() -> None:
    assert auc(TRUTH, np.full(5, 0.4)) == 0.5


def test_one_class_alone_has_no_area() -> None:
    assert auc(np.array([True, True]), np.array([0.1, 0.2])) is None
    assert auc(np.empty(0, bool), np.empty(0)) is None


def test_the_curve_steps_over_a_tie_at_once() -> None:
    # down to .9: one of three found; down to .5: all found, one of two alarms; down to .3: all
    expected = [[0, 0], [0, 1 / 3], [0.5, 1], [1, 1]]
    np.testing.assert_allclose(roc(TRUTH, SCORE), expected)


def test_the_area_under_the_curve_is_the_auc() -> None:
    curve = roc(TRUTH, SCORE)
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(5 / 6)


def test_sensitivity_at_a_false_positive_rate_never_exceeds_the_rate() -> None:
    assert at_fpr(TRUTH, SCORE, 0.49) == pytest.approx(1 / 3)
    assert at_fpr(TRUTH, SCORE, 0.5) == 1.0


def test_macro_auc_is_the_mean_of_one_class_against_the_rest() -> None:
    truth = np.array([0, 1, 2, 2])
    scores = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7]])
    # class 0: .6 beats .2 .3 .1 = 1; class 1: .5 beats .3 .4 .2 = 1
    # class 2: .3 beats .1 and ties .3, .7 beats both: 3.5 of 4
    assert macro_auc(truth, scores) == pytest.approx((1 + 1 + 3.5 / 4) / 3)
    assert macro_auc(np.array([0, 0, 1, 1]), scores) is None


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=25
    )
)
def test_a_weight_is_a_number_of_copies(rows: list[tuple[bool, int, int]]) -> None:
    truth = np.array([row[0] for row in rows])
    score = np.array([row[1] / 4 for row in rows])
    times = np.array([row[2] for row in rows])
    found = weighted_auc(truth, score, times[None].astype(float))[0]
    copied = auc(np.repeat(truth, times), np.repeat(score, times))
    assert np.isnan(found) if copied is None else found == pytest.approx(copied)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30))
def test_the_area_is_the_share_of_pairs_won(rows: list[tuple[bool, int]]) -> None:
    positive = [score for truth, score in rows if truth]
    negative = [score for truth, score in rows if not truth]
    found = auc(np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows]))
    if not positive or not negative:
        assert found is None
        return
    won = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    assert found == pytest.approx(won / (len(positive) * len(negative)))
