"""What runs in a cell: a process with no secrets in its environment that may take little of the
machine and is not missed when it crashes (models.imaging.cell is the other end of its pipe).

It speaks on its standard output: four bytes of length, JSON, then `bytes` bytes.
"""

import json
import logging
import os
import resource
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from models.imaging.cell import Bounds

FILES_MAX = 64
NICE = 5  # whoever asked decides how fast it goes; decoding never needs to be first
PIPE = 0  # standard input: its end is the end of who asked

Say = Callable[..., None]  # say(message, payload=b"")
Limits = TypeVar("Limits", bound=Bounds)


def serve(
    limits_of: Callable[..., Limits], does: Callable[[dict[str, Any], Limits, Say], None],
    error: type[Exception],
) -> int:  # fmt: skip
    """Does the job of the command line within its limits; an `error`, which has code, detail and
    perhaps the file at fault, and the want of memory are its last words.
    """
    job = json.loads(sys.argv[1])
    limits = limits_of(**job.pop("limits"))
    say = _speaking()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    confine(limits)
    try:
        does(job, limits, say)
    except error as found:
        file = getattr(found, "file", None)
        detail = getattr(found, "detail", "") + (f" ({file})" if file else "")
        say({"error": {"code": getattr(found, "code", "unreadable"), "detail": detail}})
    except MemoryError:
        detail = f"its decoder needs more than {limits.memory_bytes >> 20} MiB of memory"
        say({"error": {"code": "too_large", "detail": detail}})
    return 0


def be_silent() -> None:
    """What the readers of DICOM print quotes values of the file: a patient's name is one."""
    logging.disable()
    warnings.simplefilter("ignore")
    sys.excepthook = lambda kind, *_: print(kind.__name__, file=sys.stderr)  # noqa: T201


def _speaking() -> Say:
    # Whatever else is printed must not come between the messages.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(message: Mapping[str, Any], payload: memoryview | bytes = b"") -> None:
        told = json.dumps({**message, "bytes": len(payload)}).encode()
        for part in (len(told).to_bytes(4, "big"), told, payload):
            view = memoryview(part)
            while len(view):
                view = view[out.write(view) :]

    return say


def confine(limits: Bounds) -> None:
    """Bounds what the process may take of the machine, for good."""
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, FILES_MAX),
        (resource.RLIMIT_CORE, 0),  # a dump would hold a patient's pictures
    ):
        resource.setrlimit(what, (most, most))
    os.nice(NICE)


def _leave_with_parent() -> None:
    while os.read(PIPE, 1):  # nothing is ever written: this waits for end of file
        pass
    os._exit(os.EX_TEMPFAIL)
