"""The other end of tests.fuzz.bounds: starts the child, hears it, and says how it fell."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fuzz.bounds import LAST

ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str, within_s: float) -> list[dict[str, Any]]:
    """What the child said. AssertionError for a child that crashed, hung, or found a fault."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                   "MALLOC_ARENA_MAX": "2", "TMPDIR": str(folder)}  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.bounds", *arguments], cwd=ROOT, env=environment,
        capture_output=True, timeout=within_s, check=False,
    )  # fmt: skip
    said = [json.loads(line) for line in ran.stdout.decode().splitlines() if line.startswith("{")]
    if ran.returncode != 0:
        how = signal.Signals(-ran.returncode).name if ran.returncode < 0 else ran.returncode
        last = folder / LAST
        example = last.read_bytes()[:200].hex() if last.exists() else "none"
        raise AssertionError(
            f"{arguments} ended by {how} after {said[-1:]}; example (start, hex): {example}\n"
            + ran.stderr.decode(errors="replace")[-6000:]
        )
    return said
