"""Pid files: a process noted so that a later start can tell it from a stranger with its number."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from app.settings import settings

OURS = ("worker.", "app.main", "app.cli", "valkey-server")  # one of these is in the command
CLOCK_S = 2  # a start time is told to no better than this


def folder() -> Path:
    return settings().var.absolute() / "run"


def keep(name: str, pid: int) -> Path:
    """Notes a process: its number, when it started, its command."""
    folder().mkdir(parents=True, exist_ok=True)
    path = folder() / f"{name}-{pid}.pid"
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        facts = {"pid": pid, "created": process.create_time(), "command": process.cmdline()}
        path.write_text(json.dumps(facts))
    return path


def running(path: Path) -> psutil.Process | None:
    """The very process that a pid file was written for; None once it has gone, or when its number
    was given to another since.
    """
    try:
        facts = json.loads(path.read_text())
        process = psutil.Process(int(facts["pid"]))
        same = abs(process.create_time() - float(facts["created"])) < CLOCK_S
        command = " ".join(process.cmdline())
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process if same and any(word in command for word in OURS) else None


def left_behind(prefix: str = "") -> Iterator[tuple[Path, psutil.Process]]:
    """Processes of ours that still run; files that name none are removed on the way."""
    for path in sorted(folder().glob(f"{prefix}*.pid")):
        process = running(path)
        if process is None:
            path.unlink(missing_ok=True)
        else:
            yield path, process


def kill_group(pid: int) -> None:
    """Kills a process and what it started: ours lead a group each."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end_left_behind(wait_s: float, prefix: str = "") -> int:
    """Ends them, gently first; how many there were."""
    found = list(left_behind(prefix))
    for _, process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs([process for _, process in found], wait_s)
    for process in alive:
        kill_group(process.pid)
    for path, _ in found:
        path.unlink(missing_ok=True)
    return len(found)
