"""A folder with a byte budget: entries made once under a lock, the oldest given up first."""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from models import locking

KINDS = ("patches", "prefix")

Tick = Callable[[str, int, int], None]  # (stage, done, total): called at least every second or so


def quiet(stage: str, done: int, total: int) -> None:
    """A tick that nobody hears."""


def locked(path: Path, tick: Tick = quiet) -> AbstractContextManager[None]:
    """Holds an exclusive lock on `path`; while another process works, ticks and waits."""
    return locking.locked(path, lambda: tick("waiting", 0, 0))


def boot() -> str:
    """Names the machine's present start. Caches are not synced to disk, as losing one loses
    nothing; they are trusted only within the start that wrote them.
    """
    source = Path("/proc/sys/kernel/random/boot_id")
    return source.read_text().strip() if source.is_file() else "unknown"


def size_of(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # another process may be tidying up
            total += file.stat().st_size if file.is_file() else 0
    return total


def touch(entry: Path) -> None:
    """Marks an entry as used now."""
    os.utime(entry)


def make_room(folder: Path, needed: int, max_bytes: int, keep: set[Path]) -> None:
    """Deletes the least recently used entries until `needed` fits; spares `keep`.

    An entry is a folder below `patches` or `prefix`; whatever else lies in `folder` is not ours.
    A process that has an entry open keeps reading it: the disk is freed when it ends.
    """
    kinds = [folder / kind for kind in KINDS if (folder / kind).is_dir()]
    entries = [entry for kind in kinds for entry in kind.iterdir() if entry.is_dir()]
    entries.sort(key=lambda entry: entry.stat().st_mtime)
    used = {entry: size_of(entry) for entry in entries}
    for entry in entries:
        if sum(used.values()) + needed <= max_bytes:
            return
        if entry not in keep and _given_up(entry):
            used.pop(entry)


def _given_up(entry: Path) -> bool:
    """Deletes an entry, unless another process is making it at this moment (it holds its lock)."""
    with locking.free(entry.with_suffix(".lock")) as held:
        if held:
            shutil.rmtree(entry, ignore_errors=True)
    return held


def reserve(path: Path, size: int) -> None:
    """Makes a file of `size` bytes that the disk really has: writing a sparse map kills the
    process when the disk is full, this raises OSError.
    """
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))
