"""What a lane costs before it does anything; one JSON line.

    python -m benchmarks.lane

Side by side: a process that imports what a lane needs, as one started by hand does, and a fork of
the worker's nursery, the first (which waits for the imports) and later ones. The database is away,
so that a lane that has begun waits for it.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import psutil

from worker.children import Child

TIMES = 5


def started_by_hand() -> dict[str, float]:
    """Seconds of the clock and of a processor until the imports are done."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", "import worker.preloaded"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"s": round(time.perf_counter() - began, 2), "cpu_s": round(cpu, 2)}


def forked() -> tuple[float, int]:
    """Seconds until a lane bears its own name, and the pid of the server it came from."""
    began = time.perf_counter()
    child = Child("worker.lane", "swp_none", "tune@here")
    process = psutil.Process(child.pid)
    while "worker.lane" not in " ".join(process.cmdline()):
        time.sleep(0.001)
    seconds, server = time.perf_counter() - began, process.ppid()
    child.kill()
    child.wait(20)
    child.close()
    return seconds, server


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LAYERTUNE_VAR"] = folder
        os.environ["LAYERTUNE_DATABASE_URL"] = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
        by_hand = [started_by_hand() for _ in range(3)]
        first, server = forked()
        later = [forked()[0] for _ in range(TIMES)]
        held = psutil.Process(server).memory_full_info()
    found = {
        "benchmark": "lane", "by_hand": min(by_hand, key=lambda row: row["s"]),
        "first_fork_s": round(first, 2), "later_fork_s": round(statistics.median(later), 3),
        "server_rss_mb": round(held.rss / 2**20), "server_uss_mb": round(held.uss / 2**20),
        "cores": os.cpu_count(),
    }  # fmt: skip
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
