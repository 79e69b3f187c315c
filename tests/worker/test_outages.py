"""What a worker makes of a database or a file store that is away for a while."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from app.db import lifecycle, work
from app.db.session import reading, writing
from app.db.tables import Dataset, Prediction, Run, now
from tests.app import rows
from worker import alive, jobs, lane
from worker.alive import Pulse, patiently, put_off, reconcile, wait_for_room

Setting = Callable[[str, object], None]


def away() -> OperationalError:
    return OperationalError("SELECT 1", {}, Exception("server closed the connection"))


def test_a_write_waits_for_a_database_that_comes_back(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("worker.alive.time.sleep", slept.append)
    answers: list[Exception | None] = [away(), away(), None]

    def act(_: Session) -> str:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return "written"

    assert patiently(act) == "written"
    assert slept == [0.5, 1.0]


def test_a_write_that_no_waiting_mends_is_not_tried_again(sqlite: Engine) -> None:
    tried: list[int] = []

    def act(_: Session) -> None:
        tried.append(1)
        raise IntegrityError("INSERT", {}, Exception("duplicate"))

    with pytest.raises(IntegrityError):
        patiently(act)
    assert tried == [1]


class Passes:
    """Stands for the clock and for `stopping`: every wait of the pulse takes its time at once."""

    def __init__(self, passes: int) -> None:
        self.at, self.left = 0.0, passes

    def monotonic(self) -> float:
        return self.at

    def wait(self, seconds: float) -> bool:
        self.at, self.left = self.at + seconds, self.left - 1
        return self.left == 0


def test_after_an_outage_owners_have_time_to_renew_before_leases_are_lost(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch, setting: Setting
) -> None:
    setting("reconcile_s", 15)
    passes, reconciled = Passes(6), []
    pulse = Pulse("w", ("io",), lambda job, row_id: None)

    def beat() -> datetime:
        if passes.at == 5:
            raise away()
        return datetime.now(UTC)

    monkeypatch.setattr(pulse, "beat", beat)
    monkeypatch.setattr(alive, "time", passes)
    monkeypatch.setattr(alive, "stopping", passes)
    monkeypatch.setattr(alive, "reconcile", lambda: reconciled.append(passes.at))
    pulse.run()
    assert reconciled == [0, 20]  # 15 s would have been next, but the outage was at 5 s


def test_after_the_clock_was_set_owners_have_time_to_renew_before_leases_are_lost(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch, setting: Setting
) -> None:
    setting("reconcile_s", 15)
    passes, reconciled = Passes(6), []
    pulse, began = Pulse("w", ("io",), lambda job, row_id: None), datetime.now(UTC)

    def beat() -> datetime:
        return began + timedelta(hours=passes.at >= 15)

    monkeypatch.setattr(pulse, "beat", beat)
    monkeypatch.setattr(alive, "time", passes)
    monkeypatch.setattr(alive, "stopping", passes)
    monkeypatch.setattr(alive, "reconcile", lambda: reconciled.append(passes.at))
    pulse.run()
    assert reconciled == [0]  # at 15 s all leases looked over: at 30 s they are judged again


def test_a_lease_that_was_renewed_meanwhile_is_not_lost(
    db: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    row_id = rows.dataset(state="checking")
    with writing() as session:
        attempt = lifecycle.claim(session, Dataset, row_id, "me", 30)
    assert attempt is not None
    monkeypatch.setattr(lifecycle, "expired", lambda _: [(Dataset, row_id, attempt)])
    monkeypatch.setattr(alive, "ring", lambda job, row_id: True)
    reconcile()
    with reading() as session:
        row = session.get_one(Dataset, row_id)
    assert (row.lease_owner, row.lost_workers) == ("me", 0)


def test_a_file_store_that_is_away_puts_work_off_and_is_no_failure(db: Engine) -> None:
    row_id = rows.dataset(state="checking")
    with writing() as session:
        attempt = lifecycle.claim(session, Dataset, row_id, "me", 30)
    assert attempt is not None
    with writing() as session:
        put_off(session, Dataset, row_id, attempt)
    with reading() as session:
        row = session.get_one(Dataset, row_id)
    assert (row.state, row.lease_owner, row.losses) == ("checking", None, 0)
    assert row.due_at is not None


def test_a_child_is_not_judged_until_it_could_renew_after_an_outage(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch, setting: Setting
) -> None:
    setting("lease_s", 5)
    row_id = rows.dataset(state="checking")
    with writing() as session:
        lifecycle.claim(session, Dataset, row_id, "child", 30)
        session.execute(update(Dataset).values(lease_until=now() - timedelta(seconds=20)))
    at = [1000.0]
    monkeypatch.setattr("worker.jobs.time.monotonic", lambda: at[0])
    watch = jobs.Watch("child")
    held = work.held

    def broken(session: Session, owner: str) -> list[object]:
        raise away()

    monkeypatch.setattr(work, "held", broken)
    at[0] += 2
    assert watch.trouble() == ""
    monkeypatch.setattr(work, "held", held)
    at[0] += 4
    assert watch.trouble() == ""
    at[0] += 4
    assert watch.trouble() == "no progress within its lease"


def test_a_run_given_back_beside_a_working_lane_is_found_by_an_idle_worker(db: Engine) -> None:
    """Nobody rings for it, as the sweep is in hand; half of the lanes must not stand idle."""
    sweep_id, run_ids = rows.sweep(states=("running", "queued"))
    with writing() as session:
        session.execute(update(Run).where(Run.id == run_ids[1]).values(rung_at=None))
    answered: list[tuple[str, str]] = []
    Pulse("w", ("tune",), lambda job, row_id: answered.append((job, row_id))).answer_unheard()
    assert answered == [("tune", sweep_id)]


def test_thousands_of_waiting_predictions_start_a_handful_of_threads(db: Engine) -> None:
    with writing() as session:
        session.add_all(
            Prediction(
                id=f"prd_{k:04d}", workspace="default", created_by="key_1", state="queued",
                task="classification", model_id="mdl_1",
            )
            for k in range(100)
        )  # fmt: skip
    answered: list[str] = []
    Pulse("w", ("predict",), lambda job, row_id: answered.append(row_id)).answer_unheard()
    assert answered == [f"prd_{k:04d}" for k in range(8)]


def test_a_full_disk_puts_work_off_and_is_what_it_fails_of_in_the_end(sqlite: Engine) -> None:
    row_id = rows.dataset(state="checking", lost_workers=18)
    for state in ("checking", "rejected"):
        with writing() as session:
            session.execute(update(Dataset).values(due_at=None))
            attempt = lifecycle.claim(session, Dataset, row_id, "me", 30)
            assert attempt is not None
            wait_for_room(session, Dataset, row_id, attempt)
        with reading() as session:
            row = session.get_one(Dataset, row_id)
        assert row.state == state
    assert row.failure is not None
    assert row.failure["code"] == "disk_full"


@pytest.mark.parametrize(
    ("error", "state"), [(away(), "queued"), (IntegrityError("", {}, Exception()), "failed")]
)
def test_a_run_that_could_not_read_the_table_waits_and_is_no_bug(
    sqlite: Engine, error: Exception, state: str
) -> None:
    _, (run_id,) = rows.sweep(states=("queued",))
    with writing() as session:
        attempt = lifecycle.claim(session, Run, run_id, "me", 30)
    assert attempt is not None
    lane.fail_or_wait(lane.Claimed(Run, run_id, attempt, 0, lambda _: None), error)
    with reading() as session:
        assert session.get_one(Run, run_id).state == state
