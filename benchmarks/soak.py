"""Does the service lose anything, or grow, when it is used for a while as it should not be?

    python -m benchmarks.soak [--minutes 10]     one JSON line; exit code 1 for any fault

Starts the embedded stack in a temporary folder, on this machine's loopback alone, and asks it all
at once for what a clinic does in a week: uploads of every kind of archive, some of them broken;
sweeps with the tiny network; predictions that are counted; watchers of a sweep that vanish;
requests that are nonsense. Then all is waited for, and held against what was asked.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.cli.demo import service
from benchmarks.soaking import users
from benchmarks.soaking.measured import Ledger, Processes, latencies
from benchmarks.soaking.truth import faults

DRAIN_S = 300  # for what is still at work at the end


def soak(address: tuple[str, str, int], state: Path, minutes: float) -> dict[str, Any]:
    url, key, pid = address
    ledger, processes = Ledger(), Processes(pid)
    world = users.World(url, key, ledger)
    users.prepare(world)
    world.until = time.monotonic() + 60 * minutes
    threads = [threading.Thread(target=one, args=(world,), name=one.__name__) for one in users.ALL]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        processes.look()
        time.sleep(2)
    drained = users.drain(world, DRAIN_S)
    return {
        "benchmark": "soak", "minutes": minutes, "done": ledger.counts(),
        "latency_ms": latencies(ledger.took), "processes": processes.slopes(),
        "faults": [*ledger.faults, *([] if drained else ["work was left at the end"]),
                   *faults(world, state / "layertune.db")],
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lt-") as folder:
        state = Path(folder) / "var"
        with service(state, Path(folder) / "up.log", keep=False) as address:
            found = soak(address, state, given.minutes)
    print(json.dumps(found, default=lambda number: round(float(np.asarray(number)), 3)))
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
