"""A volume answered: found, cut and scored a few patches at a time, at the memory of these."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from models.case import NO_PIXELS, Case, Roi
from models.findings import OperatingPoint
from models.inference.predict import Answer, labels_of
from models.inference.runtime import Network, Scores, as_patches, nothing
from models.task import Task
from models.volume import Volume

GROUP = 64  # patches in memory at once: 10 MB at 224 pixels
LISTEN_S = 0.2  # between two ticks
SILENT_S = 600.0  # a stage that shows no progress for so long is no longer vouched for
LINGER_S = 5.0  # what a thread that was told to stop is waited for

Tell = Callable[[str, int], object]  # stage, patches scored in it so far


class LeftError(Exception):
    """Whoever asked has gone: the work stops where it next tells of itself."""


def examine(
    task: Task, network: Network, card: Mapping[str, Any], volume: Volume,
    point: OperatingPoint | None, tell: Tell, tick: Callable[[], object],
) -> Answer:  # fmt: skip
    """What the model finds in one volume; deterministic.

    `tell` and `tick` are called in the caller's thread, several times a second, while the work
    goes on in another: an array of a whole volume keeps a processor busy for seconds at a time.
    What they raise ends the work. `tick` is no longer called once a stage has shown no progress
    for SILENT_S.
    """
    work = _Work(lambda heard: _examined(task, network, card, volume, point, heard))
    work.start()
    try:
        while not work.over.wait(LISTEN_S):
            tell(work.stage, work.done)
            if time.monotonic() - work.heard_at < SILENT_S:
                tick()
    finally:
        work.leave()
    tick()
    return work.result()


def _examined(
    task: Task, network: Network, card: Mapping[str, Any], volume: Volume,
    point: OperatingPoint | None, heard: Tell,
) -> Answer:  # fmt: skip

    def entered(stage: str) -> None:
        heard(stage, 0)

    case = Case("input", "input", NO_PIXELS, volume=volume, tell=entered)
    patches = task.rois(case, network.size, None)
    kept: list[Roi] = []
    outputs: list[Scores] = []
    while group := list(islice(patches, GROUP)):
        heard("scoring", len(kept))
        outputs.append(network.run(as_patches([roi.pixels for roi in group])))
        kept += [replace(roi, pixels=NO_PIXELS) for roi in group]
    scores = np.concatenate(outputs) if outputs else nothing(network)
    return Answer(task.decide(case, kept, scores, labels_of(card), point), point)


class _Work(threading.Thread):
    """Work in a thread that says how far it is, and stops there once it has been left."""

    def __init__(self, act: Callable[[Tell], Answer]) -> None:
        # A daemon: of a process that is asked to end, an array operation must not hold the end.
        super().__init__(name="examine", daemon=True)
        self._act = act
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        self._left = threading.Event()
        self.over = threading.Event()
        self.stage, self.done, self.heard_at = "vessels", 0, time.monotonic()

    def run(self) -> None:
        try:
            self._answer = self._act(self._hear)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self._error = error
        finally:
            self.over.set()

    def _hear(self, stage: str, done: int) -> None:
        if self._left.is_set():
            raise LeftError
        self.stage, self.done, self.heard_at = stage, done, time.monotonic()

    def leave(self) -> None:
        self._left.set()
        self.join(LINGER_S)

    def result(self) -> Answer:
        if self._error is not None:
            raise self._error
        assert self._answer is not None  # noqa: S101 - it is over, and without an error
        return self._answer
