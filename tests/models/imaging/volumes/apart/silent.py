"""A reader of volumes for tests that never says a word."""

import sys
import time

from models.imaging.volumes.apart import inside


def sleep(*_: object, **__: object) -> None:
    time.sleep(60)


inside.open_volume = sleep  # type: ignore[assignment]

if __name__ == "__main__":
    sys.exit(inside.main())
