"""A lock that processes hold on a file: who makes something that others want as well."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOKS_S = 0.2  # between two looks at a lock that another holds


@contextmanager
def locked(path: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Holds an exclusive lock on `path`; while another holds it, calls `waiting` at every look.

    The kernel drops the lock of a process that dies, so nothing is left to clean.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        while not _taken(file.fileno()):
            waiting()
            time.sleep(LOOKS_S)
        yield


@contextmanager
def free(path: Path) -> Iterator[bool]:
    """The same at once or not at all: whether it is held now."""
    with path.open("w") as file:
        yield _taken(file.fileno())


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
