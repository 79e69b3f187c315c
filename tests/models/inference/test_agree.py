"""Whether bfloat16 may answer: the tolerances, and what the card says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.inference import agree
from models.inference.agree import compare, serving

EXACT = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], np.float32)


def test_scores_within_tolerance_agree() -> None:
    found = compare(EXACT, EXACT + np.float32(0.015))
    assert found["bf16"] is True
    assert found["score_difference_max"] == pytest.approx(0.015, abs=1e-6)
    assert found["patches"] == 3


def test_one_score_beyond_tolerance_forbids_it() -> None:
    rough = EXACT.copy()
    rough[1, 0] += 0.03
    assert compare(EXACT, rough)["bf16"] is False


@pytest.mark.parametrize(("after", "allowed"), [(0.9, True), (0.899, True), (0.897, False)])
def test_a_loss_of_the_headline_forbids_it(after: float, allowed: bool) -> None:
    values = iter([0.9, after])
    found = compare(EXACT, EXACT, lambda _: next(values))
    assert found["bf16"] is allowed
    assert found["headline_loss"] == pytest.approx(0.9 - after)


def test_a_headline_that_is_not_determined_forbids_it() -> None:
    assert compare(EXACT, EXACT, lambda _: None)["bf16"] is False


def test_a_processor_without_bf16_measures_nothing(
    make_network: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agree, "has_bf16", lambda: False)
    found = serving(make_network(), np.zeros((2, 4, 4, 3), np.uint8))
    assert found["bf16"] is False
    assert "no bfloat16" in found["reason"]


def test_both_precisions_see_every_patch(
    make_network: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agree, "has_bf16", lambda: True)
    patches = np.random.default_rng(0).integers(0, 256, (agree.CHUNK + 5, 4, 4, 3), np.uint8)
    told: list[tuple[int, int]] = []
    found = serving(make_network(), patches, tell=lambda *done: told.append(done))
    assert found["patches"] == agree.CHUNK + 5
    assert told == [(32, 74), (37, 74), (69, 74), (74, 74)]
    assert found["score_difference_max"] <= agree.SCORE_TOLERANCE
