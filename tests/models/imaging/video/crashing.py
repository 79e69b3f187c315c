"""A decoder for tests that crashes as C code does, after three frames."""

import os
import signal
import sys
from collections.abc import Iterator

from models.imaging.video import inside
from models.imaging.video.reading import Reader
from models.imaging.video.terms import Frame


class Crashing(Reader):
    def frames(self) -> Iterator[Frame | int]:
        for found in super().frames():
            if isinstance(found, Frame) and found.index == 3:
                os.kill(os.getpid(), signal.SIGSEGV)
            yield found


inside.Reader = Crashing  # type: ignore[misc]

if __name__ == "__main__":
    sys.exit(inside.main())
