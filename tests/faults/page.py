"""Writes docs/failures.md from what the tests saw: `python -m tests.faults.page RESULTS.jsonl`.

Nobody edits the page: it is what the last whole run of `./run faults` recorded.
"""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.faults.scenario import EVERY, Scenario

DOCS = Path(__file__).parents[2] / "docs"
PAGE, RESULTS = DOCS / "failures.md", DOCS / "failures.jsonl"
HEAD = """# The failure table

What was done to the service, what held, and how soon it worked again. `./run faults` makes this
page: each row was recorded by the test beside it while it ran, against real processes: the API,
the workers and lanes, Valkey, PostgreSQL 18 or SQLite, a folder or an S3 endpoint (moto). CPU,
the `tiny` backbone, leases of 3 s, tables compared every second. Nothing of the service is
replaced: a wrapper inside its processes (`tests/faults/injected`) stops them at an exact place
or sets their clock; the harm is the kernel's: SIGKILL, SIGSTOP, RLIMIT_AS, a tmpfs without a free
byte, a COMMIT that PostgreSQL refuses. What is promised, and what is not: [promises](promises.md).

"Every digest" means the SHA-256 of each run's weights and measures and of the model's files,
compared with a sweep nobody troubled. After each row it also holds that every run and sweep has
one end, told once; that there is an event for every row of an epoch and a row for every event;
that no lease is held; that no lane and no folder of an attempt is left over, and, where files lie
in a folder, no checkpoint and no upload of a checked data set.
"Works again in" is the time from the harm until the work came on (the next epoch or end was
committed; of the API: until it answered), median and longest.
"""


def scenarios() -> list[Scenario]:
    """All that the tests tell of, in their order."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        import_module(f"tests.faults.{path.stem}")
    return list(EVERY.values())


def read(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """What was seen, a row per scenario, repeats added up; and what is to be said of the run."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    notes = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        if "note" in row:
            notes.append(row["note"])
            continue
        kept = found.setdefault((row["do"], row["at"]), {**row, "times": 0, "seconds": []})
        kept["times"] += row["times"]
        kept["seconds"] += row["seconds"]
    return list(found.values()), notes


def seconds(values: Iterable[float]) -> str:
    ordered = sorted(values)
    if not ordered or ordered[-1] <= 0:
        return "at once"
    middle = ordered[len(ordered) // 2]
    return f"{middle:.1f} s" if len(ordered) == 1 else f"{middle:.1f} s, {ordered[-1]:.1f} s"


def line_of(case: Scenario, row: dict[str, Any] | None) -> str:
    """A line of the table; a scenario that no run has seen hold says so."""
    if row is None:
        return f"| {case.do} | {case.at} | {case.holds} | | **not seen yet** |"
    times = f"{row['times']} time{'s' if row['times'] != 1 else ''}"
    return f"| {case.do} | {case.at} | {case.holds} | {seconds(row['seconds'])} | {times} |"


def render(results: Path, told: list[Scenario]) -> str:
    rows, notes = read(results)
    seen = {(row["do"], row["at"]): row for row in rows}
    day = datetime.fromtimestamp(max(row.get("on", 0) for row in rows), UTC).date().isoformat()
    lines = [
        HEAD,
        f"Recorded until {day}: {len(rows)} of {len(told)} scenarios seen, harm done "
        f"{sum(row['times'] for row in rows)} times.",
        "",
    ]
    lines += [line for note in notes for line in (note, "")]
    lines += ["| We do | at | and it holds | works again in | seen |", "|---|---|---|---|---|"]
    lines += [line_of(case, seen.get((case.do, case.at))) for case in told]
    return "\n".join(lines) + "\n"


def main(given: list[str]) -> None:
    RESULTS.write_text("".join(Path(results).read_text() for results in given))
    PAGE.write_text(render(RESULTS, scenarios()))
    sys.stdout.write(f"{PAGE} is written\n")


if __name__ == "__main__":
    main(sys.argv[1:])
