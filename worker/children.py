"""The processes a worker starts: each its own session, tied to the worker by a pipe.

The child holds the read end. When the worker dies, however it dies, the kernel closes the write
end; the child reads end of file, gives its work back and exits. No orphan outlives a worker.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import Pipe

from app import ids, pids
from app.settings import settings
from worker import nursery

log = logging.getLogger(__name__)

# Read when the nursery's server starts. An OpenMP thread that spins while it waits takes a core
# from whatever else runs here: beside other work a step took two to ten times as long. And glibc
# hands a large array's pages back to the kernel at each free, to be cleared and mapped again in the
# next step: kept, one of EfficientNet-Lite0 took 1.8 s instead of 2.8 (docs/measurements.md).
CALM = {
    "OMP_WAIT_POLICY": "passive",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
}

# Of other children: a volume's large arrays come and go, and must not be kept once they are free.
PLAIN = {"OMP_WAIT_POLICY": "passive"}

untidy = threading.Event()  # work was lost: what it left is to be swept away now, not in an hour
stopping = threading.Event()  # the worker was asked to stop: children are told, none is started


class Child:
    """A process of this worker, doing the work of one row; `owner` is the name in its leases."""

    def __init__(self, module: str, row_id: str, worker: str) -> None:
        self.owner = f"{worker}/{ids.new('lane')}"
        self.told_at: float | None = None
        # The child holds the reader; that no other process has the writer is what ties it.
        reader, self._writer = Pipe(duplex=False)
        words = [row_id, "--owner", self.owner]
        with reader:
            self.process = (
                nursery.start(words, reader, CALM) if module == nursery.LANE
                else _started(module, words, reader.fileno())
            )  # fmt: skip
        self.pid = int(self.process.pid or 0)
        self._pid_file = pids.keep(module.replace(".", "-"), self.pid)
        log.info("%s started for %s, pid %d", module, row_id, self.pid)

    def wait(self, seconds: float) -> int | None:
        """The exit status (negative: the signal), or None if it still runs after `seconds`."""
        if isinstance(self.process, subprocess.Popen):
            with suppress(subprocess.TimeoutExpired):
                return self.process.wait(seconds)
            return None
        self.process.join(seconds)
        if self.process.exitcode == nursery.ABANDONED:
            self.kill()  # nobody can tell any more whether it lives
        return self.process.exitcode

    def tell_to_stop(self) -> None:
        """SIGTERM, once; after the grace period the whole process group is killed."""
        if self.told_at is None:
            self.told_at = time.monotonic()
            with suppress(ProcessLookupError):
                self.process.terminate()
        elif time.monotonic() - self.told_at > settings().grace_s:
            self.kill()

    def kill(self) -> None:
        pids.kill_group(self.pid)
        with suppress(ProcessLookupError):  # it may not lead its group yet
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        self._writer.close()
        self._pid_file.unlink(missing_ok=True)


def _started(module: str, words: list[str], pipe: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", module, *words, "--pipe", str(pipe)],
        env=PLAIN | os.environ,
        pass_fds=(pipe,),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def how_it_ended(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"the process exited with status {status}"
    name = signal.Signals(-status).name
    hint = ", as when memory runs out" if -status == signal.SIGKILL else ""
    return f"the process was killed by {name}{hint}"
