"""`python -m models.imaging.scanned.inside JOB`: what runs in a frame's cell.

Compressed pixels and headers of any size are read here; see models.imaging.confined.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.imaging.confined import Say, be_silent, serve
from models.imaging.frames import UnreadableError
from models.imaging.scanned.cell import Limits
from models.imaging.ultrasound import frame_in


def main() -> int:
    be_silent()
    return serve(Limits, read, UnreadableError)


def read(job: Mapping[str, Any], limits: Limits, say: Say) -> None:
    """Says the frame: its pixels as the payload, the rest in words."""
    found = frame_in(Path(job["path"]).read_bytes(), limits.pixels_max)
    told = {
        "shape": found.pixels.shape[:2],
        "spacing_mm": found.spacing_mm,
        "source": found.source,
        "notes": found.notes,
    }
    say({"ended": told}, found.pixels.tobytes())


if __name__ == "__main__":
    sys.exit(main())
