"""Arms the places of tests/faults/injected, and says when they were taken."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

INJECTED = Path(__file__).parent / "injected"
ROOT = Path(__file__).parents[2]
PATIENCE = float(os.environ.get("FAULTS_PATIENCE", "1"))  # above 1 on a machine that is busy
LEASE_S = str(3 * min(PATIENCE, 4))


class Harm:
    """A folder that every process of one stack looks into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)

    def environment(self) -> dict[str, str]:
        """What a process needs to be reached: the source of this checkout, and the places."""
        return {"FAULTS": str(self.folder), "PYTHONPATH": f"{INJECTED}{os.pathsep}{ROOT}"}

    def arm(self, place: str, do: str = "signal", **wish: Any) -> None:
        part = self.folder / f".{place}"
        part.write_text(json.dumps({"do": do, **wish}))
        part.replace(self.folder / place)

    def taken(self, place: str) -> list[float]:
        """The moments (wall clock) at which it was done."""
        path = self.folder / f"{place}.taken"
        return [float(line.split()[0]) for line in path.read_text().splitlines()] if (
            path.exists() and path.stat().st_size
        ) else []  # fmt: skip

    def set_clock(self, pid: int, seconds: float) -> None:
        """A process's own clock is so much ahead from now on; it may be less than nothing."""
        part = self.folder / f".clock {pid}"
        part.write_text(str(seconds))
        part.replace(self.folder / f"clock {pid}")

    def shown(self, pid: int) -> bool:
        """Whether a process has looked at a clock that was set so."""
        return (self.folder / f"clock {pid}.taken").exists()

    def clear(self) -> None:
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        self.folder.chmod(0o777)


def wait_for(true: Callable[[], Any], seconds: float, said: Callable[[], str] = str) -> Any:
    """What `true` answers once it is true; TimeoutError, with what was said, if it never is."""
    end = time.monotonic() + seconds * PATIENCE
    while not (answer := true()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s\n{said()}")
        time.sleep(0.2)
    return answer
