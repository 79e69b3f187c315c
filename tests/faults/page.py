"""Writes docs/failures.md from what the tests saw: `python -m tests.faults.page RESULTS.jsonl`.

Nobody edits the page: it is what the last whole run of `./run faults` recorded.
"""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
PAGE, RESULTS = DOCS / "failures.md", DOCS / "failures.jsonl"
HEAD = """# The failure table

What was done to the service, what held, and how soon it worked again. `./run faults` makes this
page: each row was recorded by the test beside it while it ran, against real processes: the API,
the workers and lanes, Valkey, PostgreSQL 18 or SQLite, a folder or an S3 endpoint (moto). CPU,
the `tiny` backbone, leases of 3 s, tables compared every second. Nothing of the service is
replaced: a wrapper inside its processes (`tests/faults/injected`) stops them at an exact place,
and the harm is the kernel's: SIGKILL, SIGSTOP, RLIMIT_AS, a tmpfs without a free byte, a COMMIT
that PostgreSQL refuses. What is promised, and what is not: [promises](promises.md).

"Every digest" means the SHA-256 of each run's weights and measures and of the model's files,
compared with a sweep nobody troubled. After each row it also holds that every run and sweep has
one end, told once; that there is an event for every row of an epoch and a row for every event;
that no lease is held; that no lane, checkpoint, upload or folder of an attempt is left over.
"Works again in" is the time from the harm until the work came on (the next epoch or end was
committed; of the API: until it answered), median and longest.
"""


def read(path: Path) -> list[dict[str, Any]]:
    """What was seen, one row per scenario, those that do the same beside each other; repeats are
    added up.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        kept = found.setdefault((row["do"], row["at"]), {**row, "times": 0, "seconds": []})
        kept["times"] += row["times"]
        kept["seconds"] += row["seconds"]
    order = {do: number for number, do in reversed(list(enumerate(do for do, _ in found)))}
    return sorted(found.values(), key=lambda row: order[row["do"]])


def seconds(values: Iterable[float]) -> str:
    ordered = sorted(values)
    if not ordered or ordered[-1] <= 0:
        return "at once"
    middle = ordered[len(ordered) // 2]
    return f"{middle:.1f} s" if len(ordered) == 1 else f"{middle:.1f} s, {ordered[-1]:.1f} s"


def render(rows: list[dict[str, Any]], day: str) -> str:
    harm = sum(row["times"] for row in rows)
    lines = [HEAD, f"Recorded on {day}: {len(rows)} scenarios, harm done {harm} times.", ""]
    lines += ["| We do | at | and it holds | works again in | seen |", "|---|---|---|---|---|"]
    for row in rows:
        times = f"{row['times']} time{'s' if row['times'] != 1 else ''}"
        lines.append(
            f"| {row['do']} | {row['at']} | {row['holds']} | {seconds(row['seconds'])} | {times} |"
        )
    return "\n".join(lines) + "\n"


def day_of(path: Path) -> str:
    first = json.loads(path.read_text().splitlines()[0])
    return datetime.fromtimestamp(first["on"], UTC).date().isoformat()


def main(given: list[str]) -> None:
    results = Path(given[0])
    RESULTS.write_text(results.read_text())
    PAGE.write_text(render(read(RESULTS), day_of(RESULTS)))
    sys.stdout.write(f"{PAGE} tells of {len(read(RESULTS))} scenarios\n")


if __name__ == "__main__":
    main(sys.argv[1:])
