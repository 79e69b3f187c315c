"""From pixels to a finding, and which operating point applies."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.case import Case, Roi
from models.findings import OperatingPoint
from models.inference.predict import PointError, choose_point, point_of, predict
from models.inference.runtime import load
from models.tasks.classification import TASK

MakeNetwork = Callable[..., Path]

POINTS = [
    {"name": "fpr=0.10", "threshold": 0.3, "sensitivity": 0.9, "specificity": 0.91, "low": 0.8,
     "high": 0.95, "cases": 40},
    {"name": "fpr=0.001", "threshold": None, "reason": "40 negatives cannot resolve it"},
]  # fmt: skip
BINARY: dict[str, Any] = {"classes": ["no", "yes"], "positive": "yes", "operating_points": POINTS}
THREE: dict[str, Any] = {"classes": ["red", "green", "blue"], "positive": None}


def test_the_class_of_highest_score_is_found(make_network: MakeNetwork) -> None:
    pixels = np.zeros((6, 10, 3), np.uint8)
    pixels[..., 1] = 255
    answer = predict(TASK, load(make_network()), THREE, pixels, None)
    assert answer.point is None
    assert answer.finding.label == "green"
    assert answer.finding.score == pytest.approx(0.9647, abs=1e-4)
    assert list(answer.finding.scores) == ["red", "green", "blue"]
    assert sum(answer.finding.scores.values()) == pytest.approx(1.0)


def test_the_same_image_gets_the_same_finding(make_network: MakeNetwork) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (33, 47, 3), np.uint8)
    network = load(make_network(size=16))
    first, again = (predict(TASK, network, THREE, pixels, None).finding for _ in range(2))
    assert first == again


def test_a_named_point_is_the_cards() -> None:
    point = choose_point(BINARY, "fpr=0.10")
    assert point == OperatingPoint("fpr=0.10", 0.3, 0.9, 0.91, 0.8, 0.95)


def test_a_number_is_a_threshold() -> None:
    assert choose_point(BINARY, "0.25") == OperatingPoint("threshold", 0.25)
    assert choose_point(BINARY, "1") == OperatingPoint("threshold", 1.0)


@pytest.mark.parametrize("card", [BINARY, THREE])
def test_all_and_nothing_apply_no_threshold(card: dict[str, Any]) -> None:
    assert choose_point(card, None) is None
    assert choose_point(card, "all") == OperatingPoint("all", None)


@pytest.mark.parametrize("wanted", ["1.5", "-0.1", "nan", "fpr=0.2", ""])
def test_a_point_nobody_knows_is_refused_with_those_there_are(wanted: str) -> None:
    with pytest.raises(PointError, match=r"fpr=0\.10, fpr=0\.001, all"):
        choose_point(BINARY, wanted)


def test_a_point_the_data_could_not_resolve_is_refused_with_the_reason() -> None:
    with pytest.raises(PointError, match="40 negatives cannot resolve it"):
        choose_point(BINARY, "fpr=0.001")


def test_a_threshold_without_a_positive_class_is_refused() -> None:
    with pytest.raises(PointError, match="no positive class"):
        choose_point(THREE, "0.5")


def test_a_kept_point_may_say_more_than_we_know() -> None:
    assert point_of({"name": "youden", "threshold": 0.5, "of": "later"}) == OperatingPoint(
        "youden", 0.5
    )


def test_what_the_caller_knows_of_an_image_reaches_the_task(make_network: MakeNetwork) -> None:
    seen: list[Case] = []

    def watched(case: Case, size: int, rng: np.random.Generator | None) -> Iterator[Roi]:
        seen.append(case)
        return TASK.rois(case, size, rng)

    task, network, pixels = replace(TASK, rois=watched), load(make_network()), np.zeros((9, 9, 3))
    pixels = pixels.astype(np.uint8)
    predict(task, network, THREE, pixels, None)
    predict(task, network, THREE, pixels, None, (0.1, 0.2), roi_px=(1, 2, 8, 9))
    predict(task, network, THREE, pixels, None, (0.1, 0.2), spacing_source="dicom")
    assert [case.spacing_source for case in seen] == [None, "given", "dicom"]
    assert [case.roi_px for case in seen] == [None, (1, 2, 8, 9), None]
    assert [case.spacing_mm for case in seen] == [None, (0.1, 0.2), (0.1, 0.2)]


def test_an_image_with_nothing_to_look_at_is_decided_on_no_output(
    make_network: MakeNetwork,
) -> None:
    shapes: list[Any] = []

    def nothing(case: Case, size: int, rng: np.random.Generator | None) -> Iterator[Roi]:
        return iter(())

    def decided(case: Case, rois: Any, outputs: Any, labels: Any, point: Any) -> str:
        shapes.append((len(rois), outputs.shape, outputs.dtype))
        return "nothing"

    task = replace(TASK, rois=nothing, decide=decided)
    answer = predict(task, load(make_network()), THREE, np.zeros((9, 9, 3), np.uint8), None)
    assert answer.finding == "nothing"
    assert shapes == [(0, (0, 3), np.float32)]
