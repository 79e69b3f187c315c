"""Leases kept by progress, and what the pulse brings back."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from app.db import lifecycle
from app.db.lifecycle import LeaseLostError
from app.db.session import reading, writing
from app.db.tables import Dataset, Heartbeat, now
from tests.app import rows
from worker import alive
from worker.alive import InterruptedWork, Lease, Pulse, reconcile

Setting = Callable[[str, object], None]


class Clock:
    """time.monotonic under the test's control."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(alive, "time", made)
    return made


@pytest.fixture
def claimed(db: Engine) -> tuple[str, int]:
    """A data set whose check this test has claimed."""
    row_id = rows.dataset(state="checking")
    with writing() as session:
        attempt = lifecycle.claim(session, Dataset, row_id, "me", 30)
    assert attempt == 1
    return row_id, attempt


def lease_left_s(row_id: str) -> float:
    with reading() as session:
        until = session.get_one(Dataset, row_id).lease_until
    assert until is not None
    return (until - now()).total_seconds()


def test_a_tick_renews_the_lease(claimed: tuple[str, int], clock: Clock) -> None:
    lease = Lease(Dataset, *claimed, threading.Event())
    with writing() as session:
        session.execute(update(Dataset).values(lease_until=now()))
    clock.at += 2
    lease.tick("cutting", 1, 2)
    assert 28 < lease_left_s(claimed[0]) <= 30


def test_a_lease_outlasts_six_of_the_longest_gaps(claimed: tuple[str, int], clock: Clock) -> None:
    lease = Lease(Dataset, *claimed, threading.Event())
    clock.at += 20
    lease.tick()
    clock.at += 1
    lease.tick()
    assert lease.length_s == 120  # 6 x 20 s, more than the 30 s of the settings
    assert 115 < lease_left_s(claimed[0]) <= 120


def test_a_row_that_lost_two_workers_gets_four_times_the_lease(claimed: tuple[str, int]) -> None:
    lease = Lease(Dataset, *claimed, threading.Event(), lost_before=2)
    assert lease.length_s == 120
    assert 115 < lease_left_s(claimed[0]) <= 120


def test_the_first_step_may_take_four_leases_and_the_seen_gaps_rule_after(
    claimed: tuple[str, int], clock: Clock
) -> None:
    """A batch of 60 s under a lease of 30 s: nobody has seen one before, nobody takes the row."""
    lease = Lease(Dataset, *claimed, threading.Event(), unhurried=alive.UNHURRIED)
    assert 115 < lease_left_s(claimed[0]) <= 120
    lease.tick()
    clock.at += 60
    lease.tick()
    lease.hurry()
    assert lease.length_s == 360  # 6 x 60 s


def test_once_every_stage_was_seen_a_quick_one_has_the_lease_of_the_settings(
    claimed: tuple[str, int], clock: Clock
) -> None:
    lease = Lease(Dataset, *claimed, threading.Event(), lost_before=1, unhurried=alive.UNHURRIED)
    assert lease.length_s == 240
    clock.at += 1
    lease.tick()
    lease.hurry()
    lease.hurry()
    assert lease.length_s == 60  # a worker was lost on this row: twice the lease


def test_ticks_within_a_second_write_nothing(claimed: tuple[str, int], clock: Clock) -> None:
    lease = Lease(Dataset, *claimed, threading.Event())
    with writing() as session:
        session.execute(update(Dataset).values(lease_until=None))
    for _ in range(9):
        clock.at += 0.1
        lease.tick()
    with reading() as session:
        assert session.get_one(Dataset, claimed[0]).lease_until is None


def test_a_tick_after_the_row_went_to_another_raises(
    claimed: tuple[str, int], clock: Clock
) -> None:
    lease = Lease(Dataset, *claimed, threading.Event())
    with writing() as session:
        session.execute(update(Dataset).values(attempt=2))
    clock.at += 2
    with pytest.raises(LeaseLostError):
        lease.tick()


@pytest.mark.parametrize("reason", ["stopping", "cancelled", "paused"])
def test_a_wish_to_stop_is_heard_at_the_next_tick(
    claimed: tuple[str, int], clock: Clock, reason: str
) -> None:
    stop = threading.Event()
    lease = Lease(Dataset, *claimed, stop, wish=lambda _: None if reason == "stopping" else reason)
    if reason == "stopping":
        stop.set()
    clock.at += 2
    with pytest.raises(InterruptedWork) as heard:
        lease.tick()
    assert heard.value.reason == reason


def test_an_expired_lease_goes_back_to_wait_and_is_rung(
    claimed: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[tuple[str, str]] = []
    monkeypatch.setattr(alive, "ring", lambda job, row_id: not rung.append((job, row_id)))
    with writing() as session:
        session.execute(update(Dataset).values(lease_until=now() - timedelta(seconds=1)))
    reconcile()
    with reading() as session:
        row = session.get_one(Dataset, claimed[0])
        assert (row.lease_owner, row.lost_workers, row.losses) == (None, 1, 0)
        assert row.due_at is not None
    assert rung == []  # not due yet: it waits 2 s
    with writing() as session:
        session.execute(update(Dataset).values(due_at=now()))
    reconcile()
    assert rung == [("check", claimed[0])]


def test_a_bell_that_nobody_answered_is_done_by_an_idle_worker(
    db: Engine, setting: Setting
) -> None:
    setting("reconcile_s", 10)
    heard = rows.dataset(state="checking", rung_at=now())
    unheard = rows.dataset(state="checking", rung_at=now() - timedelta(seconds=11))
    answered: list[tuple[str, str]] = []
    Pulse("w", ("io",), lambda job, row_id: answered.append((job, row_id))).answer_unheard()
    assert answered == [("check", unheard)]
    assert heard != unheard


def test_a_worker_leaves_other_queues_alone(db: Engine, setting: Setting) -> None:
    rows.dataset(state="checking", rung_at=now() - timedelta(hours=1))
    answered: list[tuple[str, str]] = []
    Pulse("w", ("tune",), lambda job, row_id: answered.append((job, row_id))).answer_unheard()
    assert answered == []


def test_a_heartbeat_comes_and_goes_with_its_worker(db: Engine) -> None:
    pulse = Pulse("w", ("io", "predict"), lambda job, row_id: None)
    pulse.beat()
    pulse.beat()
    with reading() as session:
        row = session.get_one(Heartbeat, "w")
        assert row.queues == "io,predict"
        assert now() - row.at < timedelta(seconds=5)
    pulse.leave()
    with reading() as session:
        assert session.get(Heartbeat, "w") is None
