"""What must hold however a stack was hurt; every scenario ends with it."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

ENDED = {"succeeded", "failed", "cancelled", "skipped"}
Rows = Callable[..., list[tuple[Any, ...]]]  # an SQL statement with ? for its values


def plain(value: Any) -> Any:
    """JSON as PostgreSQL's driver gives it, or the text that SQLite keeps."""
    return json.loads(value) if isinstance(value, str) else value


def moment(value: Any) -> float:
    """Seconds since 1970 of a moment in UTC; SQLite gives text without a zone."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def ended_once(rows: Rows, sweep_id: str) -> None:
    """Each run and the sweep have one terminal state, told once; nothing is in anybody's hands; and
    there is an event for every epoch's row, and a row for every epoch's event.
    """
    runs = rows("SELECT id, state, lease_owner FROM runs WHERE sweep_id = ?", sweep_id)
    events = [
        (kind, run_id, plain(data))
        for kind, run_id, data in rows(
            "SELECT kind, run_id, data FROM events WHERE sweep_id = ? ORDER BY id", sweep_id
        )
    ]
    ends = Counter(
        (run_id, data["state"])
        for kind, run_id, data in events
        if kind == "run" and data["state"] in ENDED
    )
    assert ends == {(run_id, state): 1 for run_id, state, _ in runs}, ends
    assert all(owner is None for _, _, owner in runs)
    told = [d["state"] for kind, _, d in events if kind == "sweep" and d["state"] in ENDED]
    assert len(told) == 1, told
    assert told[0] == next(d["state"] for k, _, d in reversed(events) if k == "sweep"), told
    epochs = Counter((run_id, data["epoch"]) for kind, run_id, data in events if kind == "epoch")
    query = "SELECT run_id, epoch FROM epochs JOIN runs ON runs.id = run_id WHERE sweep_id = ?"
    assert epochs == dict.fromkeys(rows(query, sweep_id), 1), epochs


def artefacts(rows: Rows, sweep_id: str) -> dict[str, Any]:
    """The digests of everything a sweep made: weights and measures of its runs, its model."""
    query = "SELECT arm, weights, measures FROM runs WHERE sweep_id = ? ORDER BY position"
    found: dict[str, Any] = {
        arm: (weights, measures and measures.rsplit("-", 1)[1])
        for arm, weights, measures in rows(query, sweep_id)
    }
    for (files,) in rows("SELECT files FROM models WHERE sweep_id = ?", sweep_id):
        kept = plain(files)
        found |= {name: kept[name]["sha256"] for name in ("model.onnx", "weights.safetensors")}
    return found


def progressed(rows: Rows, sweep_id: str, hurt_at: float) -> float:
    """When a sweep came on after it was hurt: an epoch, a run's end or its own was committed.

    The moment of the harm itself where nothing was left to do.
    """
    events = rows("SELECT kind, data, at FROM events WHERE sweep_id = ? ORDER BY id", sweep_id)
    for kind, data, at in events:
        came_on = kind == "epoch" or (kind != "stage" and plain(data)["state"] in ENDED)
        if came_on and moment(at) > hurt_at:
            return moment(at)
    return hurt_at
