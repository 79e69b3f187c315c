"""A supervised process: its own session, log and pid file; started again with back-off."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from app import pids

BACK_OFF_MAX_S = 5.0
BACK_OFF_FIRST_S = 0.25
STEADY_S = 5.0  # who has lived so long has started well (it takes two): the back-off begins anew
LOG_MAX_BYTES = 10 * 2**20
PR_SET_PDEATHSIG = 1  # linux/prctl.h

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_the_parent() -> None:
    """Runs in the new process: a supervisor that is killed takes its children along, gently."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A process that is meant to live as long as the stack does."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: dict[str, str],
        logs: Path,
        fd: int | None = None,
    ) -> None:
        self.name, self.command, self.environment = name, list(command), environment
        self.log = logs / f"{name}.log"
        self.fds = () if fd is None else (fd,)
        self.process: subprocess.Popen[bytes] | None = None
        self._pid_file: Path | None = None
        self._began = self._again_at = 0.0
        self._wait_s = BACK_OFF_FIRST_S

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_MAX_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - commands of our own making
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, pass_fds=self.fds,
                preexec_fn=_die_with_the_parent,
            )  # fmt: skip
        self._began = time.monotonic()
        self._pid_file = pids.keep(self.name, self.process.pid)

    def revive(self) -> str:
        """Starts the process again once it has died and its back-off is over; answers the news."""
        at = time.monotonic()
        if self.process is None:
            return "" if at < self._again_at else self._start_again(at)
        status = self.process.poll()
        if status is None:
            return ""
        self._forget()
        if at - self._began > STEADY_S:
            self._wait_s = BACK_OFF_FIRST_S
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, BACK_OFF_MAX_S)
        self._again_at = at + wait_s
        how = f"killed by signal {-status}" if status < 0 else f"status {status}"
        return f"{self.name} died ({how}, log {self.log}); again in {wait_s:g} s"

    def _start_again(self, at: float) -> str:
        """A machine short of memory, processes or disk refuses; it is asked again later."""
        try:
            self.start()
        except OSError as error:
            if self.process is not None:
                return ""  # it runs, only its pid file could not be written
            self._again_at = at + BACK_OFF_MAX_S
            return f"{self.name} could not be started ({error}); again in {BACK_OFF_MAX_S:g} s"
        return ""

    def ask_to_stop(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.terminate()

    def wait(self, until: float) -> None:
        """Waits for the end until that moment (time.monotonic), then kills the whole group."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            pids.kill_group(self.process.pid)
            self.process.wait()
        self._forget()

    def _forget(self) -> None:
        self.process = None
        if self._pid_file is not None:
            self._pid_file.unlink(missing_ok=True)
