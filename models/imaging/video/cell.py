"""A video read in a cell (models.imaging.cell): frame by frame, or written again with its marks."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.imaging.cell import Cell, Tick
from models.imaging.video.terms import Ended, Facts, Frame, Limits, VideoError

MODULE = "models.imaging.video.inside"


def _cell(job: Mapping[str, Any], limits: Limits, tick: Tick) -> Cell:
    most = 3 * limits.pixels_max
    return Cell(MODULE, job, limits, tick, error=VideoError, payload_max=most, sign="frame")


def read(
    path: Path, container: str, stride: int | None, limits: Limits, tick: Tick = lambda: None
) -> "Reading":
    """The frames of a video, decoded in a cell.

    To iterate raises VideoError if not one frame can be read; what is read before an error counts.
    """
    job = {"does": "read", "path": str(path), "container": container, "stride": stride}
    return Reading(_cell(job, limits, tick))


def annotate(
    path: Path, container: str, marks: Path, out: Path, limits: Limits,
    tick: Callable[[int], object],
) -> None:  # fmt: skip
    """Writes the film with its marks drawn into it; `tick` hears of the frames done."""
    seen = 0
    whole = replace(limits, frames_max=sys.maxsize)  # all of them are shown, however few were read
    job = {"does": "annotate", "path": str(path), "container": container, "marks": str(marks),
           "out": str(out)}  # fmt: skip
    with _cell(job, whole, lambda: tick(seen)) as cell:
        for message, _ in cell.messages():
            seen = message.get("seen", seen)


class Reading:
    """A video as it is read, in a `with` block: iterate over its frames once.

    `facts` are known at the first frame, `ended` after the last.
    """

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.facts: Facts | None = None
        self.ended: Ended | None = None

    def __enter__(self) -> "Reading":
        self._cell.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._cell.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[Frame]:
        last: Frame | None = None
        try:
            for message, payload in self._cell.messages():
                if "facts" in message:
                    self.facts = Facts(**_tuples(message["facts"]))
                elif "frame" in message:
                    last = _frame(message["frame"], payload)
                    yield last
                elif "ended" in message:
                    self.ended = Ended(**_tuples(message["ended"]))
        except VideoError as error:
            if last is None or self.facts is None:
                raise
            end_s = last.time_s + 1 / self.facts.fps
            self.ended = Ended(last.index + 1, end_s, reason="stopped", detail=error.detail)


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


def _frame(place: Mapping[str, Any], payload: NDArray[np.uint8]) -> Frame:
    height, width, channels = place["shape"]
    pixels = payload.reshape(height, width, channels)
    return Frame(place["index"], place["time_s"], pixels)
