"""Pages of a list, idempotency keys, ids."""

from collections.abc import Callable
from datetime import timedelta
from itertools import chain

import pytest
from sqlalchemy import Engine, select

from app import ids
from app.auth import Caller
from app.db.session import reading, writing
from app.db.tables import Event, Heartbeat, Key, now
from app.errors import Conflict, Unprocessable
from app.idempotency import Asked, Replayed, remember, replay
from app.pages import page

CALLER = Caller("key_1", "admin", "default")


@pytest.fixture
def workers(db: Engine) -> list[str]:
    names = [f"w{number}" for number in range(7)]
    with writing() as session:
        for name in names:
            session.add(Heartbeat(worker=name, queues="io", at=now()))
    return names


def collect(limit: int, *, newest_first: bool) -> list[list[str]]:
    pages, cursor = [], None
    while True:
        with reading() as session:
            rows, cursor = page(
                session, select(Heartbeat), Heartbeat.worker, cursor, limit,
                newest_first=newest_first,
            )  # fmt: skip
        pages.append([row.worker for row in rows])
        if cursor is None:
            return pages


def test_pages_join_to_the_whole_list(workers: list[str]) -> None:
    pages = collect(3, newest_first=True)
    assert [len(found) for found in pages] == [3, 3, 1]
    assert list(chain(*pages)) == workers[::-1]
    assert list(chain(*collect(7, newest_first=False))) == workers


def test_a_row_made_meanwhile_shifts_nothing(workers: list[str]) -> None:
    with reading() as session:
        first, cursor = page(session, select(Heartbeat), Heartbeat.worker, None, 3)
    with writing() as session:
        session.add(Heartbeat(worker="w9", queues="io", at=now() + timedelta(seconds=1)))
    with reading() as session:
        second, _ = page(session, select(Heartbeat), Heartbeat.worker, cursor, 3)
    assert [row.worker for row in first + second] == ["w6", "w5", "w4", "w3", "w2", "w1"]


@pytest.mark.parametrize("cursor", ["!", "w6", "bm90LWEtbnVtYmVy", "====", "é"])
def test_a_cursor_of_our_own_making_is_refused(sqlite: Engine, cursor: str) -> None:
    with reading() as session, pytest.raises(Unprocessable, match="bad_cursor"):
        page(session, select(Event), Event.id, cursor, 3)


def asked(key: str | None = "k", body: str = "b" * 64) -> Asked:
    return Asked(CALLER, "create_sweep", key, body)


def test_the_same_key_and_body_replay_the_reply(db: Engine) -> None:
    with writing() as session:
        assert replay(session, asked()) is None
        remember(session, asked(), 202, {"id": "swp_1", "name": "ü"}, "/v1/sweeps/swp_1")
    with reading() as session:
        assert replay(session, asked()) == Replayed(
            202, "/v1/sweeps/swp_1", {"id": "swp_1", "name": "ü"}
        )


def test_another_body_under_the_same_key_is_refused(db: Engine) -> None:
    with writing() as session:
        remember(session, asked(), 202, {"id": "swp_1"})
    with reading() as session, pytest.raises(Unprocessable, match="idempotency_key_reused"):
        replay(session, asked(body="c" * 64))


def test_keys_of_other_routes_and_workspaces_are_others(db: Engine) -> None:
    with writing() as session:
        remember(session, asked(), 202, {"id": "swp_1"})
    with reading() as session:
        other = Caller("key_2", "admin", "other")
        assert replay(session, Asked(other, "create_sweep", "k", "c" * 64)) is None
        assert replay(session, Asked(CALLER, "create_dataset", "k", "c" * 64)) is None


def test_without_a_key_nothing_is_remembered(sqlite: Engine) -> None:
    with writing() as session:
        remember(session, asked(key=None), 202, {"id": "swp_1"})
        assert replay(session, asked(key=None)) is None


def test_of_two_at_once_the_second_is_undone(db: Engine) -> None:
    with writing() as session:
        remember(session, asked(), 202, {"id": "swp_1"})
    with pytest.raises(Conflict, match="idempotency_key_in_use"), writing() as session:
        session.add(
            Key(id="key_9", digest="d", hint="h", name="n", role="viewer", workspace="default")
        )
        remember(session, asked(), 202, {"id": "swp_2"})
    with reading() as session:
        assert session.get(Key, "key_9") is None


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [ids.new("ds") for _ in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == 5000
    assert {len(one) for one in made} == {len("ds_") + 26}
    assert all(set(one.removeprefix("ds_")) <= set(ids.ALPHABET) for one in made)


def test_ids_go_on_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ids.new("run")
    clock: Callable[[], int] = lambda: 1_000_000_000  # noqa: E731
    monkeypatch.setattr(ids.time, "time_ns", clock)
    assert ids.new("run") > first
