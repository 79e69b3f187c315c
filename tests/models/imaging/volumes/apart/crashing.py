"""A reader of volumes for tests that crashes as C code does."""

import os
import signal
import sys

from models.imaging.volumes.apart import inside


def crash(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


inside.open_volume = crash  # type: ignore[assignment]

if __name__ == "__main__":
    sys.exit(inside.main())
