"""Watching over a real connection: events arrive as they happen, a watcher may vanish."""

import json
import time
from collections.abc import Iterator

import pytest

from app.db import lifecycle
from app.db.session import writing
from tests.app import rows
from tests.app.live import Server, serving


@pytest.fixture
def server(sqlite: object) -> Iterator[Server]:
    with serving() as made:
        yield made


def told(server: Server, sweep_id: str) -> Iterator[dict[str, object]]:
    headers = {"Accept": "text/event-stream"}
    with server.http.stream("GET", f"/v1/sweeps/{sweep_id}/events", headers=headers) as reply:
        for line in reply.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def say(sweep_id: str, state: str) -> None:
    with writing() as session:
        lifecycle.emit(session, sweep_id, "sweep", {"state": state})


def test_events_arrive_while_the_sweep_runs_and_the_stream_ends_with_it(server: Server) -> None:
    sweep_id, _ = rows.sweep(states=("running",))
    heard = told(server, sweep_id)
    assert next(heard)["data"] == {"state": "queued"}
    say(sweep_id, "running")
    assert next(heard)["data"] == {"state": "running"}
    say(sweep_id, "succeeded")
    assert [event["data"] for event in heard] == [{"state": "succeeded"}]


def test_watchers_that_vanish_hold_nothing(server: Server) -> None:
    sweep_id, _ = rows.sweep(states=("running",))
    watched = [told(server, sweep_id) for _ in range(5)]
    for heard in watched:
        next(heard)
    assert server.established() >= 5
    for heard in watched:
        heard.close()  # type: ignore[attr-defined]
    for _ in range(100):
        if server.established() <= 1:
            break
        time.sleep(0.1)
    assert server.established() <= 1  # the one this client keeps open for its next request
    assert server.http.get(f"/v1/sweeps/{sweep_id}").status_code == 200
