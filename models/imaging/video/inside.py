"""`python -m models.imaging.video.inside JOB`: what runs in a cell, started by `cell` alone.

Foreign bytes are decoded here, by a decoder written in C for speed. So this process has no
secrets in its environment, may take little memory and time, opens one file, and is not missed
when it crashes. It speaks on its standard output: four bytes of length, JSON, then `bytes` bytes.
"""

import json
import os
import resource
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.imaging.video.marking import mark
from models.imaging.video.reading import Reader
from models.imaging.video.terms import Frame, Limits, VideoError

SAID_EVERY = 25  # skipped frames between two signs of life
FILES_MAX = 64
NICE = 5  # whoever asked decides how fast it goes; decoding never needs to be first
PIPE = 0  # standard input: its end is the end of who asked

Say = Callable[..., None]


def main() -> int:
    job = json.loads(sys.argv[1])
    limits = Limits(**job.pop("limits"))
    # Whatever else is printed must not come between the messages.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(message: Mapping[str, Any], payload: memoryview | bytes = b"") -> None:
        told = json.dumps({**message, "bytes": len(payload)}).encode()
        for part in (len(told).to_bytes(4, "big"), told, payload):
            view = memoryview(part)
            while len(view):
                view = view[out.write(view) :]

    threading.Thread(target=_leave_with_parent, daemon=True).start()
    confine(limits)
    try:
        DOES[job.pop("does")](job, limits, say)
    except VideoError as error:
        say({"error": {"code": error.code, "detail": error.detail}})
    except MemoryError:
        detail = f"its decoder needs more than {limits.memory_bytes >> 20} MiB of memory"
        say({"error": {"code": "too_large", "detail": detail}})
    return 0


def confine(limits: Limits) -> None:
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


def read(job: Mapping[str, Any], limits: Limits, say: Say) -> None:
    """Says the facts, every frame that is read, and how it ended."""
    reader = Reader(Path(job["path"]), job["container"], limits, job["stride"])
    told, stopped = False, ""
    try:
        for found in reader.frames():
            if not told and reader.facts is not None:
                say({"facts": asdict(reader.facts)})
                told = True
            if isinstance(found, Frame):
                place = {"index": found.index, "time_s": found.time_s}
                pixels = found.pixels
                say({"frame": {**place, "shape": pixels.shape}}, pixels.data.cast("B"))
            elif found % SAID_EVERY == 0:
                say({"seen": found})
    except (VideoError, MemoryError) as error:
        if not told:
            raise
        stopped = error.detail if isinstance(error, VideoError) else "its decoder ran out of memory"
    ended = asdict(reader.ended)
    say({"ended": {**ended, "reason": "stopped", "detail": stopped} if stopped else ended})


def annotate(job: Mapping[str, Any], limits: Limits, say: Say) -> None:
    """Writes the film with its marks; says how far it is."""
    reader = Reader(Path(job["path"]), job["container"], limits, stride=1)
    marks = json.loads(Path(job["marks"]).read_text())
    for index in mark(reader, marks, Path(job["out"])):
        if index % SAID_EVERY == 0:
            say({"seen": index})
    say({"ended": asdict(reader.ended)})


DOES: dict[str, Callable[[dict[str, Any], Limits, Say], None]] = {
    "read": read,
    "annotate": annotate,
}

if __name__ == "__main__":
    sys.exit(main())
