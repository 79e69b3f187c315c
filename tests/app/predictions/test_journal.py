"""Rows after the reply: nothing is lost while the database is away, and the buffer is bounded."""

import threading
import time
from collections.abc import Sequence

import pytest
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from app.predictions import journal as module
from app.predictions.journal import Entry, Journal


def entry(name: str) -> Entry:
    return Entry({"id": name, "reply": {"of": name}}, {"resource": name})


def wait_until(holds, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_entries_are_written_in_batches_and_in_order() -> None:
    batches: list[list[str]] = []
    journal = Journal(lambda rows: batches.append([row.prediction["id"] for row in rows]))
    names = [f"prd_{i}" for i in range(50)]
    for name in names:
        assert journal.put(entry(name))
    journal.close()
    assert [name for batch in batches for name in batch] == names
    assert len(batches) <= 2


def test_what_is_not_yet_written_is_found() -> None:
    gate = threading.Event()
    journal = Journal(lambda _: gate.wait(5))
    journal.put(entry("prd_1"))
    assert journal.find("prd_1") == {"id": "prd_1", "reply": {"of": "prd_1"}}
    assert journal.find("prd_2") is None
    gate.set()
    wait_until(lambda: journal.find("prd_1") is None)
    journal.close()


def test_a_database_that_is_away_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITS_S", (0.001,))
    stored: list[str] = []
    failures = [OperationalError("insert", {}, Exception("away")) for _ in range(4)]

    def store(rows: Sequence[Entry]) -> None:
        if failures:
            raise failures.pop()
        stored.extend(row.prediction["id"] for row in rows)

    journal = Journal(store)
    journal.put(entry("prd_1"))
    journal.put(entry("prd_2"))
    wait_until(lambda: stored == ["prd_1", "prd_2"])
    journal.close()


def test_rows_that_stand_already_do_not_hold_up_the_others() -> None:
    standing, stored = {"prd_1"}, []

    def store(rows: Sequence[Entry]) -> None:
        if standing & {row.prediction["id"] for row in rows}:
            raise IntegrityError("insert", {}, Exception("unique"))
        stored.extend(row.prediction["id"] for row in rows)

    journal = Journal(store)
    for name in ("prd_0", "prd_1", "prd_2"):
        journal.put(entry(name))
    journal.close()
    assert stored == ["prd_0", "prd_2"]


def test_a_row_that_the_database_never_takes_does_not_hold_up_the_others() -> None:
    stored: list[str] = []

    def store(rows: Sequence[Entry]) -> None:
        names = [row.prediction["id"] for row in rows]
        if "prd_odd" in names:
            raise DataError("insert", {}, Exception("no JSON number"))
        stored.extend(names)

    journal = Journal(store)
    for name in ("prd_1", "prd_odd", "prd_2"):
        journal.put(entry(name))
    wait_until(lambda: stored == ["prd_1", "prd_2"])
    wait_until(lambda: journal.find("prd_odd") is None)
    journal.close()


def test_a_full_buffer_says_so_and_takes_again_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CAPACITY", 2)
    monkeypatch.setattr(module, "GATHER_S", 0.001)
    gate, stored = threading.Event(), []

    def store(rows: Sequence[Entry]) -> None:
        gate.wait(5)
        stored.extend(row.prediction["id"] for row in rows)

    journal = Journal(store)
    taken = 0
    while journal.put(entry(f"prd_{taken}")):
        taken += 1
        time.sleep(0.01)
        assert taken < 10
    waiter = threading.Thread(target=journal.put_waiting, args=(entry("prd_late"),))
    waiter.start()
    gate.set()
    waiter.join(5)
    journal.close()
    assert stored == [*(f"prd_{i}" for i in range(taken)), "prd_late"]


def test_a_closed_journal_opens_again() -> None:
    stored: list[str] = []
    journal = Journal(lambda rows: stored.extend(row.prediction["id"] for row in rows))
    journal.put(entry("prd_1"))
    journal.close()
    journal.close()
    journal.put(entry("prd_2"))
    journal.close()
    assert stored == ["prd_1", "prd_2"]


def test_a_closing_journal_gives_up_on_a_database_that_stays_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAITS_S", (0.001,))

    tries: list[int] = []

    def store(batch: Sequence[Entry]) -> None:
        tries.append(len(batch))
        raise OperationalError("insert", {}, Exception("away"))

    journal = Journal(store)
    journal.put(entry("prd_1"))
    journal.close()
    assert len(tries) >= module.CLOSING_TRIES
