"""Temperature, ECE and Brier score against numbers worked by hand."""

import numpy as np
import pytest

from models.metrics.calibration import (
    apply,
    brier,
    ece,
    reliability,
    temperature,
)


def test_the_temperature_makes_confidence_equal_to_accuracy() -> None:
    # Logits (4, 0) or (0, 4), right three times in four: sigmoid(4 / T) = 3/4, T = 4 / ln 3.
    logits = np.array([[4.0, 0.0]] * 4 + [[0.0, 4.0]] * 4)
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    assert temperature(logits, truth) == pytest.approx(4 / np.log(3), rel=1e-4)


def test_timid_scores_are_sharpened() -> None:
    # Logits (0.1, 0), right nine times in ten: 0.1 / T = ln 9.
    logits = np.array([[0.1, 0.0]] * 10 + [[0.0, 0.1]] * 10)
    truth = np.array([0] * 9 + [1] + [1] * 9 + [0])
    assert temperature(logits, truth) == pytest.approx(0.05, rel=0.05)  # 0.0455: the bound holds


def test_the_likelihood_is_of_the_mean_over_a_cases_patches() -> None:
    # Two equal patches a case say no more than one: the temperature is that of single patches.
    logits = np.array([[4.0, 0.0]] * 4 + [[0.0, 4.0]] * 4)
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    doubled = temperature(np.repeat(logits, 2, axis=0), truth, np.repeat(np.arange(8), 2))
    assert doubled == pytest.approx(temperature(logits, truth), rel=1e-6)


def test_one_class_alone_tells_nothing_about_the_temperature() -> None:
    assert temperature(np.array([[3.0, 0.0], [1.0, 0.0]]), np.array([0, 0])) == 1.0


def test_a_temperature_changes_no_order_and_keeps_sums() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    warm = apply(scores, 2.0)
    np.testing.assert_allclose(warm.sum(axis=1), 1)
    np.testing.assert_allclose(apply(warm, 0.5), scores)
    assert (warm.argmax(axis=1) == scores.argmax(axis=1)).all()


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    # .9 twice, right once: gap .4; .6 twice, right twice: gap .4; each holds half of the cases.
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    truth = np.array([0, 1, 0, 0])
    assert ece(truth, scores) == pytest.approx(0.4)
    rows = reliability(truth, scores)
    assert [row["cases"] for row in rows] == [2, 2]
    assert [row["accuracy"] for row in rows] == [1.0, 0.5]


def test_certain_and_right_is_calibrated() -> None:
    assert ece(np.array([0, 1]), np.eye(2)) == 0.0


def test_the_brier_score_sums_over_classes() -> None:
    # (.9, .1): right .01 + .01 = .02, wrong .81 + .81 = 1.62
    scores = np.array([[0.9, 0.1], [0.9, 0.1]])
    assert brier(np.array([0, 1]), scores) == pytest.approx((0.02 + 1.62) / 2)
