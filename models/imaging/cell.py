"""A cell: a child process that looks at foreign bytes, heard through a pipe.

Whatever happens in it (a crash, an endless loop, a gigabyte for a header that lies) ends it alone,
and has an outcome: an error with a code. What runs in it is a module that serves a job by
`models.imaging.confined`.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tick = Callable[[], object]
Message = tuple[dict[str, Any], NDArray[np.uint8]]

LISTEN_S = 0.2  # between two ticks while the cell says nothing
MESSAGE_MAX = 1 << 20
PIPE_BYTES = 1 << 20  # what the kernel may keep of it: fewer turns for a frame
F_SETPIPE_SZ = 1031  # Linux; fcntl has its name from Python 3.10 on there alone


@dataclass(frozen=True)
class Bounds:
    """What a cell may take of the machine, and how long it may be silent."""

    memory_bytes: int = 2 << 30  # of its address space
    cpu_s: int = 6 * 3600
    file_bytes: int = 2 << 30  # that it may write
    silence_s: float = 60  # after which it is taken for stuck


class Cell:
    """The child, from its start to its certain end, in a `with` block.

    `module` is what runs in it, on the words of `job`; `error` makes the exception for (code,
    detail) of what it found; `payload_max` is the most bytes of one message; `sign` names what it
    was waited for in vain.
    """

    def __init__(
        self, module: str, job: Mapping[str, Any], bounds: Bounds, tick: Tick, *,
        error: Callable[[str, str], Exception], payload_max: int = 0, sign: str = "sign of life",
    ) -> None:  # fmt: skip
        self._module, self._job = module, json.dumps({**job, "limits": asdict(bounds)})
        self._bounds, self._tick = bounds, tick
        self._error, self._payload_max, self._sign = error, payload_max, sign
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Cell":
        # Nothing of this process's environment: a decoder has no use for keys and addresses.
        here = os.pathsep.join(str(Path(folder or ".").absolute()) for folder in sys.path)
        environment = {"PYTHONPATH": here, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1",
                       "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}  # fmt: skip
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", self._module, self._job],
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
        """What it says, to its last word. Raises `error` for what it found, or how it fell."""
        while True:
            length = int.from_bytes(self._exactly(4).tobytes(), "big")
            if not 0 < length <= MESSAGE_MAX:
                raise self._fallen("spoke nonsense")
            message = json.loads(self._exactly(length).tobytes())
            size = int(message.pop("bytes"))
            if not 0 <= size <= self._payload_max:
                raise self._fallen("spoke nonsense")
            if "error" in message:
                raise self._error(message["error"]["code"], message["error"]["detail"])
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
                if time.monotonic() - heard > self._bounds.silence_s:
                    raise self._fallen(f"found no {self._sign} for {self._bounds.silence_s:.0f} s")
                continue
            got = os.readv(pipe, [view])
            if got == 0:
                raise self._fallen("")
            view, heard = view[got:], time.monotonic()
        self._tick()
        return taken

    def _fallen(self, how: str) -> Exception:
        """The error of a cell that ended without its last word."""
        assert self._process is not None  # noqa: S101
        if not how:
            status = self._process.wait()
            how = f"was ended by {signal.Signals(-status).name}" if status < 0 else "gave up"
        return self._error("decoder_stopped", f"the file cannot be decoded: its decoder {how}")
