"""`python -m models.imaging.video.inside JOB`: what runs in a video's cell, started by it alone.

Foreign bytes are decoded here, by a decoder written in C for speed: see models.imaging.confined.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.imaging.confined import Say, serve
from models.imaging.video.marking import mark
from models.imaging.video.reading import Reader
from models.imaging.video.terms import Frame, Limits, VideoError

SAID_EVERY = 25  # skipped frames between two signs of life


def main() -> int:
    return serve(Limits, lambda job, *given: DOES[job.pop("does")](job, *given), VideoError)


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
