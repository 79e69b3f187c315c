"""A cell for a decoder: a child process that looks at foreign bytes, heard through a pipe.

Whatever happens in it (a crash, an endless loop, a gigabyte for a header that lies) ends it alone,
and has an outcome: see `Ended` and `VideoError`.
"""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.imaging.video.terms import Ended, Facts, Frame, Limits, VideoError

Tick = Callable[[], object]
Message = tuple[dict[str, Any], NDArray[np.uint8]]

LISTEN_S = 0.2  # between two ticks while the cell says nothing
MESSAGE_MAX = 1 << 20
PIPE_BYTES = 1 << 20  # what the kernel may keep of it: fewer turns for a frame
F_SETPIPE_SZ = 1031  # Linux; fcntl has its name from Python 3.10 on there alone
MODULE = "models.imaging.video.inside"


def read(
    path: Path, container: str, stride: int | None, limits: Limits, tick: Tick = lambda: None
) -> "Reading":
    """The frames of a video, decoded in a cell.

    To iterate raises VideoError if not one frame can be read; what is read before an error counts.
    """
    return Reading(Cell({"does": "read", "path": str(path), "container": container,
                         "stride": stride}, limits, tick))  # fmt: skip


def annotate(
    path: Path, container: str, marks: Path, out: Path, limits: Limits,
    tick: Callable[[int], object],
) -> None:  # fmt: skip
    """Writes the film with its marks drawn into it; `tick` hears of the frames done."""
    seen = 0
    whole = replace(limits, frames_max=sys.maxsize)  # all of them are shown, however few were read
    job = {"does": "annotate", "path": str(path), "container": container, "marks": str(marks),
           "out": str(out)}  # fmt: skip
    with Cell(job, whole, lambda: tick(seen)) as cell:
        for message, _ in cell.messages():
            seen = message.get("seen", seen)


class Reading:
    """A video as it is read, in a `with` block: iterate over its frames once.

    `facts` are known at the first frame, `ended` after the last.
    """

    def __init__(self, cell: "Cell") -> None:
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


class Cell:
    """The child, from its start to its certain end."""

    def __init__(self, job: Mapping[str, Any], limits: Limits, tick: Tick) -> None:
        self._job = json.dumps({**job, "limits": asdict(limits)})
        self._limits, self._tick = limits, tick
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Cell":
        # Nothing of this process's environment: a decoder has no use for keys and addresses.
        here = os.pathsep.join(str(Path(folder or ".").absolute()) for folder in sys.path)
        environment = {"PYTHONPATH": here, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1",
                       "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}  # fmt: skip
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", MODULE, self._job],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        with suppress(OSError):  # the kernel may allow less
            fcntl.fcntl(self._said(), F_SETPIPE_SZ, PIPE_BYTES)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        process = self._process
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def messages(self) -> Iterator[Message]:
        """What it says, to its last word. Raises VideoError for what it found, or how it fell."""
        while True:
            length = int.from_bytes(self._exactly(4).tobytes(), "big")
            if not 0 < length <= MESSAGE_MAX:
                raise self._fallen("spoke nonsense")
            message = json.loads(self._exactly(length).tobytes())
            size = int(message.pop("bytes"))
            if not 0 <= size <= 3 * self._limits.pixels_max:
                raise self._fallen("spoke nonsense")
            if "error" in message:
                raise VideoError(**message["error"])
            yield message, self._exactly(size)
            if "ended" in message:
                return

    def _said(self) -> int:
        assert self._process is not None  # noqa: S101 - inside the block
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdout.fileno()

    def _exactly(self, count: int) -> NDArray[np.uint8]:
        """The next bytes, waited for; every wait ticks, and none is longer than the silence."""
        taken = np.empty(count, np.uint8)
        view, pipe = taken.data, self._said()
        heard = time.monotonic()
        while len(view):
            if not select.select([pipe], [], [], LISTEN_S)[0]:
                self._tick()
                if time.monotonic() - heard > self._limits.silence_s:
                    raise self._fallen(f"found no frame for {self._limits.silence_s:.0f} s")
                continue
            got = os.readv(pipe, [view])
            if got == 0:
                raise self._fallen("")
            view, heard = view[got:], time.monotonic()
        self._tick()
        return taken

    def _fallen(self, how: str) -> VideoError:
        """The error of a cell that ended without its last word."""
        assert self._process is not None  # noqa: S101
        if not how:
            status = self._process.wait()
            how = f"was ended by {signal.Signals(-status).name}" if status < 0 else "gave up"
        return VideoError("decoder_stopped", f"the file cannot be decoded: its decoder {how}")
