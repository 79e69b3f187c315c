"""What has to be true once all has ended: each thing asked for is there once, and ended once."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.soaking.users import World

JOURNAL_S = 20  # predictions are written a little after they are answered


def faults(world: World, database: Path) -> Iterator[str]:
    """A sentence for everything that is lost, doubled, or not the same."""
    for first, second in world.again.values():
        if first != second:
            yield f"one Idempotency-Key made two sweeps, {first} and {second}"
    if len({str(finding) for finding in world.said.values()}) > 1:
        yield "one image had several findings"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as rows:
        yield from _lost(world, rows)
        yield from _runs(rows)


def _ids(rows: sqlite3.Connection, table: str) -> set[str]:
    return {row[0] for row in rows.execute(f"SELECT id FROM {table}")}  # noqa: S608 - our names


def _lost(world: World, rows: sqlite3.Connection) -> Iterator[str]:
    """Between what was answered and what is kept."""
    until = time.monotonic() + JOURNAL_S
    while set(world.said) - _ids(rows, "predictions") and time.monotonic() < until:
        time.sleep(0.5)
    asked = {
        "predictions": set(world.said),
        "datasets": set(world.ledger.accepted["dataset"]),
        "sweeps": set(world.ledger.accepted["sweep"]),
    }
    for table, wanted in asked.items():
        kept = _ids(rows, table)
        if lost := wanted - kept:
            yield f"{len(lost)} of {len(wanted)} {table} are lost: {sorted(lost)[:3]}"
        if more := kept - wanted:
            yield f"{len(more)} {table} are there that nobody was told of: {sorted(more)[:3]}"


def _runs(rows: sqlite3.Connection) -> Iterator[str]:
    """Runs of one arm twice in a sweep, and runs that say that they ended twice."""
    twice = "SELECT sweep_id, arm, seed FROM runs GROUP BY 1, 2, 3 HAVING count(*) > 1"
    for sweep_id, arm, seed in rows.execute(twice):
        yield f"{sweep_id} has {arm} with seed {seed} twice"
    ends = """
        SELECT sweep_id, count(*) FROM events WHERE kind = 'sweep'
        AND json_extract(data, '$.state') IN ('succeeded', 'failed', 'cancelled')
        GROUP BY sweep_id HAVING count(*) > 1"""
    for sweep_id, count in rows.execute(ends):
        yield f"{sweep_id} ended {count} times"
