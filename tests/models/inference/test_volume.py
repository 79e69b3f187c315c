"""A volume is looked at a few patches at a time, and whoever asked hears of it and can stop it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.case import Case, Roi
from models.findings import OperatingPoint
from models.inference import volume as inference
from models.inference.runtime import Network, load
from models.inference.volume import GROUP, examine
from models.volume import Volume
from tests import spots
from tests.app.predictions import colours

CARD: dict[str, Any] = {"classes": ["other", "embolus"], "positive": "embolus"}


@pytest.fixture
def network(tmp_path: Path) -> Network:
    path = tmp_path / "model.onnx"
    path.write_bytes(colours.network(2))
    return load(path)


@pytest.fixture
def volume() -> Volume:
    return Volume(spots.voxels(), np.diag([0.5, 0.8, 2.0, 1.0]), "dicom", "1.2.3")


def quietly(*_: object) -> None:
    """Nobody watches."""


def test_the_same_volume_gets_the_same_finding(network: Network, volume: Volume) -> None:
    point = OperatingPoint("threshold", 0.85)
    first, again = (
        examine(spots.TASK, network, CARD, volume, point, quietly, quietly) for _ in range(2)
    )
    assert first == again
    assert first.point == point
    (embolus,) = first.finding.emboli
    assert embolus.centre_voxel == (5, 10, 12)
    assert embolus.centre_mm == (6.0, 8.0, 10.0)
    assert embolus.series_instance_uid == "1.2.3"
    assert embolus.score == pytest.approx(0.905, abs=0.01)


def patches(count: int, seen: list[int] | None = None, pause_s: float = 0.0) -> Any:
    def rois(case: Case, size: int, rng: object) -> Iterator[Roi]:
        case.tell("vessels")
        for k in range(count):
            if seen is not None:
                seen.append(k)
            time.sleep(pause_s)
            pixels = np.zeros((size, size, 3), np.uint8)
            yield Roi(pixels, (0.0, 0.0, 0.0, 0.0), mark=(k, -1, 5, 10, 12, 2.0))

    return replace(spots.TASK, rois=rois)


def test_no_more_patches_are_cut_than_are_scored_at_once(volume: Volume) -> None:
    cut: list[int] = []
    at_once: list[tuple[int, int]] = []

    class Counting:
        size, classes, is_map, precision, device = 4, 2, False, "f32", "cpu"

        def run(self, pixels: np.ndarray) -> np.ndarray:
            at_once.append((len(pixels), len(cut)))
            return np.full((len(pixels), 2), 0.5, np.float32)

    task = patches(2 * GROUP + 3, cut)
    answer = examine(task, Counting(), CARD, volume, None, quietly, quietly)
    assert len(answer.finding.emboli) == 2 * GROUP + 3
    assert at_once == [(GROUP, GROUP), (GROUP, 2 * GROUP), (3, 2 * GROUP + 3)]


def test_a_volume_without_candidates_is_decided_too(network: Network, volume: Volume) -> None:
    answer = examine(patches(0), network, CARD, volume, None, quietly, quietly)
    assert (answer.finding.present, answer.finding.score, answer.finding.emboli) == (False, 0.0, ())


def test_stages_are_told_in_the_thread_that_asked(network: Network, volume: Volume) -> None:
    told: list[tuple[str, int, int]] = []
    ticks: list[int] = []
    examine(
        patches(GROUP + 30, pause_s=0.01), network, CARD, volume, None,
        lambda stage, done: told.append((stage, done, threading.get_ident())),
        lambda: ticks.append(threading.get_ident()),
    )  # fmt: skip
    assert told[0][0] == "vessels"
    assert ("scoring", 0) in {(stage, done) for stage, done, _ in told}
    assert {thread for *_, thread in told} == set(ticks) == {threading.get_ident()}
    assert len(ticks) >= 4


class StopError(Exception):
    pass


def test_a_tick_that_raises_ends_the_work(network: Network, volume: Volume) -> None:
    cut: list[int] = []

    def stop() -> None:
        if len(cut) > 5:
            raise StopError

    with pytest.raises(StopError):
        examine(patches(10**6, cut, 0.01), network, CARD, volume, None, quietly, stop)
    assert not [one for one in threading.enumerate() if one.name == "examine"]
    assert len(cut) < 10**4


def test_a_stage_without_progress_is_no_longer_vouched_for(
    network: Network, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "SILENT_S", 0.5)
    ticks: list[float] = []

    def stuck(case: Case, size: int, rng: object) -> Iterator[Roi]:
        time.sleep(2)
        yield from ()

    examine(
        replace(spots.TASK, rois=stuck), network, CARD, volume, None, quietly,
        lambda: ticks.append(time.monotonic()),
    )  # fmt: skip
    *while_stuck, _ = ticks
    assert 1 <= len(while_stuck) <= 4


def test_an_error_of_the_task_is_not_lost(network: Network, volume: Volume) -> None:
    def broken(case: Case, size: int, rng: object) -> Iterator[Roi]:
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        examine(replace(spots.TASK, rois=broken), network, CARD, volume, None, quietly, quietly)
