"""What is measured of a soak: how long replies took, and what each process holds over time."""

import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any

import numpy as np
import psutil

# Until then a process imports, compiles, and touches what its allocator keeps: an API that is asked
# for everything grows by some seventy megabytes over its first thousands of requests, once.
WARM_S = 120.0
QUARTERS = 4


class Ledger:
    """What was asked and answered, by all users at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.took: dict[str, list[float]] = defaultdict(list)  # milliseconds by kind
        self.accepted: dict[str, list[str]] = defaultdict(list)  # ids by kind
        self.faults: list[str] = []
        self._counts: Counter[str] = Counter()

    def note(self, kind: str, ms: float) -> None:
        with self._lock:
            self.took[kind].append(ms)
            self._counts[kind] += 1

    def accept(self, kind: str, row_id: str) -> None:
        with self._lock:
            self.accepted[kind].append(row_id)

    def fault(self, sentence: str) -> None:
        with self._lock:
            if len(self.faults) < 50:
                self.faults.append(sentence)

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(sorted(self._counts.items()))


def latencies(took: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """p50 and p99 of each kind of request, milliseconds."""
    found = {}
    for kind, all_ms in sorted(took.items()):
        half, most = np.percentile(all_ms, (50, 99))
        found[kind] = {"p50": round(float(half), 1), "p99": round(float(most), 1)}
    return found


class Processes:
    """Resident memory and open files of the stack's processes, looked at again and again."""

    def __init__(self, pid: int) -> None:
        self._root, self._began = psutil.Process(pid), time.monotonic()
        self._seen: dict[tuple[str, int], list[tuple[float, float, int]]] = defaultdict(list)

    def look(self) -> None:
        at = time.monotonic() - self._began
        for process in (self._root, *self._root.children(recursive=True)):
            with suppress(psutil.Error):
                name = _called(process.cmdline())
                row = (at, process.memory_info().rss / 2**20, process.num_fds())
                self._seen[name, process.pid].append(row)

    def slopes(self) -> dict[str, Any]:
        """Of each process that lived through most of it: growth by the minute, after warming up
        (for two minutes or half of the time), and the median of each quarter of all its time.
        """
        end = time.monotonic() - self._began
        found = {}
        for (name, pid), rows in sorted(self._seen.items()):
            late = np.array([row for row in rows if row[0] > min(WARM_S, end / 2)])
            if len(late) < 5 or late[-1, 0] - late[0, 0] < end / 3:
                continue  # a lane, a check, a decoder: they come and go
            minutes = late[:, 0] / 60
            quarters = np.array_split(np.array(rows)[:, 1], QUARTERS)
            found[f"{name}:{pid}"] = {
                "rss_mb": round(float(late[-1, 1]), 1),
                "rss_mb_by_quarter": [round(float(np.median(part)), 1) for part in quarters],
                "rss_mb_per_min": round(float(np.polyfit(minutes, late[:, 1], 1)[0]), 2),
                "fds": int(late[-1, 2]),
                "fds_per_min": round(float(np.polyfit(minutes, late[:, 2], 1)[0]), 2),
            }
        return found


def _called(command: list[str]) -> str:
    said = " ".join(command)
    names = {"uvicorn": "api", "--queues tune": "tuning worker", "--queues io": "io worker",
             "valkey": "valkey", "worker.lane": "lane", "app.cli.main up": "up"}  # fmt: skip
    return next((name for mark, name in names.items() if mark in said), "other")
