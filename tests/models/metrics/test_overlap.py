"""Dice and intersection over union, against numbers worked by hand."""

import numpy as np
import pytest

from models.case import UNKNOWN
from models.findings import Labels, Measure
from models.metrics import overlap

TWO = Labels(("nerve", "vessel"))
TRUTH = np.array([[0, 1, 1, 1], [0, 0, 2, 2]], np.uint8)
SAID = np.array([[0, 0, 1, 1], [1, 0, 0, 2]], np.uint8)


def case(number: int, said: np.ndarray, truth: np.ndarray, subject: str = "s") -> Measure:
    counts = overlap.counts(said, truth, 2)
    present = int(np.count_nonzero(counts[:, 2]))
    return Measure(f"case_{number}", subject, present, counts.ravel())


def test_pixels_are_counted_by_class() -> None:
    # Nerve: two of three shared, three said. Vessel: one of two shared, one said.
    assert overlap.counts(SAID, TRUTH, 2).tolist() == [[2, 3, 3], [1, 1, 2]]


def test_pixels_that_nobody_spoke_for_count_nowhere() -> None:
    truth = np.where(np.arange(4) == 2, UNKNOWN, TRUTH).astype(np.uint8)
    assert overlap.counts(SAID, truth, 2).tolist() == [[1, 2, 2], [1, 1, 1]]
    assert not overlap.counts(SAID, np.full_like(TRUTH, UNKNOWN), 2).any()


def test_dice_and_iou_of_one_case() -> None:
    counts = overlap.counts(SAID, TRUTH, 2)
    assert overlap.overlaps(counts, "dice") == pytest.approx([4 / 6, 2 / 3])
    assert overlap.overlaps(counts, "iou") == pytest.approx([2 / 4, 1 / 2])


def test_the_headline_is_the_mean_over_classes_of_the_mean_over_cases() -> None:
    perfect = case(2, TRUTH, TRUTH)
    found = overlap.score([case(1, SAID, TRUTH), perfect], TWO).values
    assert list(found) == [
        "dice", "iou", "dice_nerve", "dice_vessel", "iou_nerve", "iou_vessel",
    ]  # fmt: skip
    assert found["dice_nerve"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["iou_vessel"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["dice"] == pytest.approx(5 / 6)


def test_a_case_without_a_class_counts_for_it_only_where_it_was_said_to_be_there() -> None:
    empty = np.zeros_like(TRUTH)
    only_nerve = np.where(TRUTH == 1, 1, 0).astype(np.uint8)
    silent = [case(1, TRUTH, TRUTH), case(2, only_nerve, only_nerve)]
    assert overlap.score(silent, TWO).values["dice_vessel"] == 1.0
    loud = [case(1, TRUTH, TRUTH), case(2, SAID, only_nerve)]
    assert overlap.score(loud, TWO).values["dice_vessel"] == 0.5
    missed = [case(1, empty, TRUTH)]
    assert overlap.score(missed, TWO).values["dice"] == 0.0


def test_a_class_that_no_case_determines_is_no_part_of_the_headline() -> None:
    only_nerve = np.where(TRUTH == 1, 1, 0).astype(np.uint8)
    found = overlap.score([case(1, only_nerve, only_nerve)], TWO).values
    assert found["dice_vessel"] is None
    assert found["dice"] == 1.0
    empty = np.zeros_like(TRUTH)
    assert overlap.score([case(1, empty, empty)], TWO).values["dice"] is None
    assert overlap.score([], TWO).values == {"dice": None}


def test_resamples_count_a_case_as_often_as_they_hold_it() -> None:
    rng = np.random.default_rng(0)
    measures = [case(k, *rng.integers(0, 3, (2, 6, 6)).astype(np.uint8), f"s{k}") for k in range(7)]
    weights = rng.integers(0, 4, (5, 7)).astype(float)
    found = overlap.values(measures, TWO, weights)
    for row, times in enumerate(weights.astype(int)):
        drawn = [m for m, count in zip(measures, times, strict=True) for _ in range(count)]
        expected = overlap.score(drawn, TWO).values
        assert {name: value[row] for name, value in found.items()} == pytest.approx(expected)


def test_a_resample_of_nothing_is_undefined() -> None:
    found = overlap.values([case(1, SAID, TRUTH)], TWO, np.zeros((2, 1)))
    assert all(np.isnan(value).all() for value in found.values())
