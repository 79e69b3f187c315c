"""From patches to a case's label and values."""

import numpy as np
import pytest

from models.case import Case, Roi
from models.findings import Labels, Measure, OperatingPoint
from models.metrics import classes

CASE = Case("case_000007", "s", np.zeros((8, 8, 3), np.uint8), "polyp")
ROIS = (Roi(CASE.pixels, (0.0, 0.0, 8.0, 8.0)),)
TWO = Labels(("informative", "non_informative"), "informative")
THREE = Labels(("benign", "malignant", "normal"))


def test_a_case_scores_the_mean_over_its_patches() -> None:
    outputs = np.array([[0.9, 0.1], [0.5, 0.5]], np.float32)
    found = classes.decide(CASE, ROIS, outputs, TWO, None)
    assert found.label == "informative"
    assert found.score == pytest.approx(0.7)
    assert found.scores == pytest.approx({"informative": 0.7, "non_informative": 0.3})


def test_the_threshold_decides_for_the_positive_class() -> None:
    outputs = np.array([[0.6, 0.4]], np.float32)
    strict = classes.decide(CASE, ROIS, outputs, TWO, OperatingPoint("fpr=0.10", 0.7))
    assert (strict.label, strict.score) == ("non_informative", pytest.approx(0.4))
    assert (
        classes.decide(CASE, ROIS, outputs, TWO, OperatingPoint("fpr=0.20", 0.5)).label
        == "informative"
    )


def test_a_point_without_threshold_decides_nothing() -> None:
    outputs = np.array([[0.6, 0.4]], np.float32)
    found = classes.decide(
        CASE, ROIS, outputs, TWO, OperatingPoint("fpr=0.10", None, reason="too few")
    )
    assert found.label == "informative"


def test_several_classes_answer_the_most_probable() -> None:
    outputs = np.array([[0.3, 0.3, 0.4]], np.float32)
    assert classes.decide(CASE, ROIS, outputs, THREE, OperatingPoint("x", 0.9)).label == "normal"


def test_a_case_without_a_known_label_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match=r"case_000007.*'polyp'"):
        classes.measure(CASE, ROIS, np.array([[0.5, 0.5]], np.float32), TWO)


def rows(truth: list[int], scores: list[list[float]]) -> list[Measure]:
    return [
        Measure(f"c{k}", f"s{k}", value, np.array(row))
        for k, (value, row) in enumerate(zip(truth, scores, strict=True))
    ]


def test_values_of_two_classes() -> None:
    # Informative (class 0) scores .9 and .4; the others .6 and .2: three pairs of four are won.
    found = classes.score(rows([0, 0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.2, 0.8]]), TWO)
    assert found.values == {"auc": 0.75, "accuracy": 0.5, "balanced_accuracy": 0.5}
    assert next(iter(found.values)) == "auc"
    assert list(found.curves) == ["roc_informative"]


def test_balanced_accuracy_gives_the_rare_class_its_weight() -> None:
    scores = [[0.8, 0.2]] * 4
    found = classes.score(rows([0, 0, 0, 1], scores), TWO)
    assert found.values["accuracy"] == 0.75
    assert found.values["balanced_accuracy"] == 0.5


def test_values_of_three_classes_name_each_area() -> None:
    found = classes.score(rows([0, 1, 2], np.eye(3).tolist()), THREE)
    assert found.values["auc"] == 1.0
    assert [name for name in found.values if name.startswith("auc_")] == [
        "auc_benign", "auc_malignant", "auc_normal",
    ]  # fmt: skip


def test_a_missing_class_leaves_the_headline_undefined() -> None:
    found = classes.score(rows([0, 1], [[1.0, 0, 0], [0, 1.0, 0]]), THREE)
    assert found.values["auc"] is None
    assert found.values["auc_benign"] == 1.0
    assert classes.score([], THREE).values == {"auc": None}
