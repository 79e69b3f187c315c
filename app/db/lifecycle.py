"""Every change of state, nowhere else: claims by compare-and-set, writes fenced by the attempt."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from app.db.tables import (
    Dataset,
    Event,
    Finish,
    Json,
    LedgerRow,
    Prediction,
    Registration,
    Run,
    Sweep,
    now,
)
from models.sweep import Outcome, next_allowed, skipped

Work = type[Dataset] | type[Run] | type[Finish] | type[Prediction] | type[Registration]
WORK: tuple[Work, ...] = (Dataset, Run, Finish, Prediction, Registration)
_JOBS: tuple[Work, ...] = (Run, Finish, Prediction, Registration)
WAITING: dict[Work, str] = {Dataset: "checking"} | dict.fromkeys(_JOBS, "queued")
BUSY: dict[Work, str] = {Dataset: "checking"} | dict.fromkeys(_JOBS, "running")
ENDED = frozenset({"succeeded", "failed", "cancelled", "skipped", "ready", "rejected"})

WAITS_S = (2, 5, 15)  # before the second, third, ... try
LOSSES_MAX = 3  # in a row at the same checkpoint, with the worker alive
LOST_WORKERS_MAX = 20


class LeaseLostError(Exception):
    """The row is no longer ours: another attempt owns it, or it has ended. Stop, write nothing."""


def _lock(session: Session, sweep_id: str) -> None:
    """Takes the sweep's row until the commit; whoever changes its rows does so first.

    One order of locks for all, or PostgreSQL would find deadlocks; and of two lanes that end the
    last two runs at once, the second sees what the first did.
    """
    session.execute(select(Sweep.id).where(Sweep.id == sweep_id).with_for_update())


def _in_line(session: Session, table: Work, row_id: str) -> None:
    if table is Run:
        sweep_id = session.scalar(select(Run.sweep_id).where(Run.id == row_id))
        _lock(session, sweep_id or "")
    elif table is Finish:
        _lock(session, row_id)


def emit(session: Session, sweep_id: str, kind: str, data: Json, run_id: str | None = None) -> None:
    """Adds an event in the caller's transaction, in the order of its sweep.

    The sweep's row is locked first: on PostgreSQL two transactions could otherwise commit
    their ids in the wrong order, and a reader that had seen the later one would skip the earlier.
    """
    _lock(session, sweep_id)
    session.add(Event(sweep_id=sweep_id, run_id=run_id, kind=kind, data=data))
    session.flush()


def _entered(session: Session, table: Work, row_id: str, state: str) -> None:
    """Notes when a state was entered, and tells the sweep's readers."""
    row = session.get_one(table, row_id, populate_existing=True)
    row.times = {**row.times, state: now().isoformat()}
    if isinstance(row, Run):
        data: Json = {"arm": row.arm, "state": state, "attempt": row.attempt}
        if row.failure:
            data["failure"] = row.failure
        if state in ENDED:
            data |= {"stop_reason": row.stop_reason, "validation": row.validation}
        emit(session, row.sweep_id, "run", data, run_id=row.id)
    elif isinstance(row, Finish):
        emit(session, row.id, "sweep", {"state": state_of(session, row.id)})
    session.flush()


def _change(
    session: Session, table: Work | type[Sweep], where: Sequence[Any], values: Json
) -> bool:
    session.flush()
    found = session.execute(
        update(table).where(*where).values(**values).execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", found).rowcount == 1


def claim(
    session: Session,
    table: Work,
    row_id: str,
    owner: str,
    lease_s: float,
    at: datetime | None = None,
) -> int | None:
    """Takes a waiting row; the new attempt number, or None if it was not there to be taken."""
    at = at or now()
    where = (
        table.id == row_id,
        table.state == WAITING[table],
        table.lease_owner.is_(None),
        or_(table.due_at.is_(None), table.due_at <= at),
    )
    values = {
        "state": BUSY[table],
        "attempt": table.attempt + 1,
        "lease_owner": owner,
        "lease_until": at + timedelta(seconds=lease_s),
    }
    _in_line(session, table, row_id)
    if not _change(session, table, where, values):
        return None
    _entered(session, table, row_id, BUSY[table])
    return session.get_one(table, row_id, populate_existing=True).attempt


def _mine(table: Work, row_id: str, attempt: int) -> tuple[Any, ...]:
    return (
        table.id == row_id,
        table.state == BUSY[table],
        table.attempt == attempt,
        table.lease_owner.is_not(None),
    )


def write(session: Session, table: Work, row_id: str, attempt: int, **values: Any) -> None:
    """Writes to a row we own. Raises LeaseLostError, having written nothing, if we do not."""
    if not _change(session, table, _mine(table, row_id, attempt), values):
        raise LeaseLostError(f"{table.__tablename__} {row_id}: attempt {attempt} is not the owner")
    session.get_one(table, row_id, populate_existing=True)


def renew(session: Session, table: Work, row_id: str, attempt: int, lease_s: float) -> None:
    """Progress was made: the lease holds for another `lease_s`."""
    write(session, table, row_id, attempt, lease_until=now() + timedelta(seconds=lease_s))


def checkpointed(session: Session, run_id: str, attempt: int, name: str, **values: Any) -> None:
    """A run has stored a new checkpoint: its past losses no longer count."""
    write(session, Run, run_id, attempt, checkpoint=name, losses=0, lost_workers=0, **values)


def end(
    session: Session, table: Work, row_id: str, attempt: int, state: str, **values: Any
) -> None:
    """The owner ends its row, once. For runs the sweep is settled in the same transaction."""
    _in_line(session, table, row_id)
    write(
        session, table, row_id, attempt, state=state, lease_owner=None, lease_until=None, **values
    )
    _entered(session, table, row_id, state)
    if table is Run:
        settle(session, session.get_one(Run, row_id).sweep_id)


def release(session: Session, table: Work, row_id: str, attempt: int) -> None:
    """Gives a row back unharmed (shutdown, pause): it waits again, and no loss is counted.

    A run whose sweep was cancelled meanwhile has nothing to wait for: it ends.
    """
    _in_line(session, table, row_id)
    if _cancelled(session, table, row_id):
        end(session, table, row_id, attempt, "cancelled", stop_reason="cancelled")
        return
    write(
        session, table, row_id, attempt,
        state=WAITING[table], lease_owner=None, lease_until=None, rung_at=None,
    )  # fmt: skip
    _entered(session, table, row_id, WAITING[table])
    if table is Run:
        _say_paused(session, session.get_one(Run, row_id).sweep_id)


def _say_paused(session: Session, sweep_id: str) -> None:
    state = state_of(session, sweep_id)
    if state == "paused":
        emit(session, sweep_id, "sweep", {"state": state})


def _cancelled(session: Session, table: Work, row_id: str) -> bool:
    if table is not Run:
        return False
    sweep_id = session.get_one(Run, row_id).sweep_id
    sweep = session.get_one(Sweep, sweep_id, populate_existing=True)
    return sweep.cancel_requested_at is not None


def lose(
    session: Session, table: Work, row_id: str, attempt: int, *, worker_alive: bool, detail: str
) -> None:
    """An attempt ended without a word: it waits and is tried again, up to the limits.

    A cancelled sweep's lost run is cancelled. Raises LeaseLostError if the row has moved on.
    """
    _in_line(session, table, row_id)
    row = session.get_one(table, row_id, populate_existing=True)
    losses = row.losses + worker_alive
    lost_workers = row.lost_workers + (not worker_alive)
    if _cancelled(session, table, row_id):
        end(session, table, row_id, attempt, "cancelled", stop_reason="cancelled")
        return
    if losses >= LOSSES_MAX or lost_workers >= LOST_WORKERS_MAX:
        failure = {
            "code": "lost_worker",
            "detail": f"given up after {row.attempt} attempts: {detail}",
        }
        state = "rejected" if table is Dataset else "failed"
        counts = {"losses": losses, "lost_workers": lost_workers}
        end(session, table, row_id, attempt, state, failure=failure, **counts)
        return
    tries = max(losses, lost_workers)
    wait_s = WAITS_S[min(tries, len(WAITS_S)) - 1]
    write(
        session, table, row_id, attempt,
        state=WAITING[table], lease_owner=None, lease_until=None, rung_at=None,
        losses=losses, lost_workers=lost_workers, due_at=now() + timedelta(seconds=wait_s),
    )  # fmt: skip
    _entered(session, table, row_id, WAITING[table])


def expired(session: Session) -> list[tuple[Work, str, int]]:
    """Claims whose lease has run out, as (table, id, attempt); hand each to `lose`."""
    found: list[tuple[Work, str, int]] = []
    for table in WORK:
        where = (table.state == BUSY[table], table.lease_until < now())
        rows = session.execute(select(table.id, table.attempt).where(*where))
        found += [(table, row_id, attempt) for row_id, attempt in rows]
    return found


def unrung(session: Session, ring_again_s: float) -> list[tuple[Work, str]]:
    """Waiting rows whose bell may have been lost: due, unclaimed, not rung lately.

    They count as rung from now on. One lane serves a whole sweep, so for runs, finishes and
    registrations the id is the sweep's; a paused sweep, and one whose run a live lane has in
    hand, are left alone, and their rows stay unrung.
    """
    at, found = now(), []
    stale = at - timedelta(seconds=ring_again_s)
    for table in WORK:
        bell = table.sweep_id if table in (Run, Registration) else table.id
        where = (
            table.state == WAITING[table],
            table.lease_owner.is_(None),
            or_(table.due_at.is_(None), table.due_at <= at),
            or_(table.rung_at.is_(None), table.rung_at < stale),
        )
        waiting = select(table.id, bell).where(*where).order_by(table.id)
        rows = session.execute(waiting.with_for_update(skip_locked=True)).all()
        bells = list(dict.fromkeys(bell_id for _, bell_id in rows))
        if table in (Run, Finish):
            bells = [sweep_id for sweep_id in bells if idle(session, sweep_id)]
        ids = [row_id for row_id, bell_id in rows if bell_id in bells]
        if ids:
            session.execute(update(table).where(table.id.in_(ids)).values(rung_at=at))
        found += [(table, bell_id) for bell_id in bells]
    return found


def idle(session: Session, sweep_id: str) -> bool:
    """Whether a sweep has work that no lane is doing: not paused, no run in hand."""
    if session.get_one(Sweep, sweep_id, populate_existing=True).paused_at is not None:
        return False
    busy = select(Run.id).where(Run.sweep_id == sweep_id, Run.state == "running")
    return session.scalars(busy).first() is None


def erase_dataset(session: Session, dataset_id: str) -> bool:
    """Hides a data set and erases its ledger; False, and nothing done, while a sweep needs it.

    The row is locked first, as the creation of a sweep does: the two cannot pass each other.
    """
    session.execute(select(Dataset.id).where(Dataset.id == dataset_id).with_for_update())
    of_it = Sweep.dataset_id == dataset_id
    tuned = exists().where(of_it, Finish.id == Sweep.id, Finish.state.not_in(ENDED))
    exported = exists().where(
        of_it, Registration.sweep_id == Sweep.id, Registration.state.not_in(ENDED)
    )
    where = (Dataset.id == dataset_id, ~tuned, ~exported)
    erased = {"state": "deleted", "pack": None, "problems": [], "warnings": [], "lease_owner": None}
    if not _change(session, Dataset, where, erased):
        return False
    session.execute(delete(LedgerRow).where(LedgerRow.dataset_id == dataset_id))
    return True


def ask_again(session: Session, registration_id: str) -> bool:
    """Lets a failed registration wait once more, its losses forgotten."""
    where = (Registration.id == registration_id, Registration.state == "failed")
    fresh = {"state": "queued", "failure": None, "losses": 0, "lost_workers": 0, "due_at": None}
    if not _change(session, Registration, where, fresh):
        return False
    _entered(session, Registration, registration_id, "queued")
    return True


# ---- sweeps ---------------------------------------------------------------------------------


def runs_of(session: Session, sweep_id: str) -> list[Run]:
    query = select(Run).where(Run.sweep_id == sweep_id).order_by(Run.position)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def outcomes(runs: Sequence[Run]) -> list[Outcome]:
    return [
        Outcome(
            id=run.id, depth=run.depth, scratch=run.scratch, seed=run.seed, fraction=run.fraction,
            state=run.state, headline=next(iter(run.validation.values()), {}).get("value"),
        )
        for run in runs
    ]  # fmt: skip


def next_runs(session: Session, sweep: Sweep) -> list[str]:
    """Runs that a sweep's policy would start now, best first; none of a held or cancelled sweep."""
    if sweep.paused_at is not None or sweep.cancel_requested_at is not None:
        return []
    return next_allowed(sweep.policy, outcomes(runs_of(session, sweep.id)))


def claim_next_run(session: Session, sweep_id: str, owner: str, lease_s: float) -> Run | None:
    """Takes the next run that the sweep's policy allows, if there is one to take now.

    Past its budget a sweep starts no new run: those never begun are skipped, and it finishes with
    what it has.
    """
    _lock(session, sweep_id)
    sweep = session.get_one(Sweep, sweep_id, populate_existing=True)
    if _budget_spent(session, sweep):
        for run in runs_of(session, sweep_id):
            if run.attempt == 0:
                _stop_waiting(session, run.id, "skipped", "budget")
        settle(session, sweep_id)
    for run_id in next_runs(session, sweep):
        if claim(session, Run, run_id, owner, lease_s) is not None:
            return session.get_one(Run, run_id)
    return None


def _budget_spent(session: Session, sweep: Sweep) -> bool:
    """Whether the minutes since a sweep's first run began exceed its budget."""
    if sweep.budget_minutes is None:
        return False
    began = session.scalar(
        select(func.min(Event.at)).where(Event.sweep_id == sweep.id, Event.kind == "run")
    )
    return began is not None and now() > began + timedelta(minutes=sweep.budget_minutes)


def settle(session: Session, sweep_id: str) -> None:
    """Draws the consequences of an ended run: skips what the policy rules out, opens the finish."""
    sweep = session.get_one(Sweep, sweep_id, populate_existing=True)
    for run_id, reason in skipped(sweep.policy, outcomes(runs_of(session, sweep_id))):
        _stop_waiting(session, run_id, "skipped", reason)
    runs = runs_of(session, sweep_id)
    if any(run.state not in ENDED for run in runs):
        return
    finish = session.get_one(Finish, sweep_id, populate_existing=True)
    if any(run.state == "succeeded" and not run.scratch for run in runs):
        state, failure = "queued", None
    elif sweep.cancel_requested_at is not None:
        state, failure = "cancelled", None
    else:
        state = "failed"
        failure = {"code": "no_depth_succeeded", "detail": "no depth run of the sweep succeeded"}
    where = (Finish.id == sweep_id, Finish.state == "waiting")
    if _change(session, Finish, where, {"state": state, "failure": failure}):
        session.refresh(finish)
        _entered(session, Finish, sweep_id, state)


def _stop_waiting(session: Session, run_id: str, state: str, reason: str) -> None:
    where = (Run.id == run_id, Run.state == "queued", Run.lease_owner.is_(None))
    if _change(session, Run, where, {"state": state, "stop_reason": reason}):
        _entered(session, Run, run_id, state)


def cancel(session: Session, sweep_id: str) -> None:
    """Asks a sweep to stop: waiting runs end now, running ones when their lane sees it."""
    where = (Sweep.id == sweep_id, Sweep.cancel_requested_at.is_(None))
    if state_of(session, sweep_id) in ENDED:
        return
    if not _change(session, Sweep, where, {"cancel_requested_at": now(), "paused_at": None}):
        return
    # Told first: if nothing is running, the terminal event follows at once and is the last.
    emit(session, sweep_id, "sweep", {"state": state_of(session, sweep_id), "cancel": "requested"})
    for run in runs_of(session, sweep_id):
        _stop_waiting(session, run.id, "cancelled", "cancelled")
    settle(session, sweep_id)


def pause(session: Session, sweep_id: str) -> None:
    """Asks a sweep to hold: running runs go back to waiting at their last checkpoint."""
    where = (Sweep.id == sweep_id, Sweep.paused_at.is_(None), Sweep.cancel_requested_at.is_(None))
    if state_of(session, sweep_id) in ENDED:
        return
    if _change(session, Sweep, where, {"paused_at": now()}):
        emit(session, sweep_id, "sweep", {"state": state_of(session, sweep_id)})


def resume(session: Session, sweep_id: str) -> None:
    """Lets a held sweep go on; its waiting rows are rung again."""
    where = (Sweep.id == sweep_id, Sweep.paused_at.is_not(None))
    if not _change(session, Sweep, where, {"paused_at": None}):
        return
    runs = update(Run).where(Run.sweep_id == sweep_id, Run.state == "queued")
    session.execute(runs.values(rung_at=None))
    session.execute(update(Finish).where(Finish.id == sweep_id).values(rung_at=None))
    emit(session, sweep_id, "sweep", {"state": state_of(session, sweep_id)})


def state_of(session: Session, sweep_id: str) -> str:
    sweep = session.get_one(Sweep, sweep_id, populate_existing=True)
    finish = session.get_one(Finish, sweep_id, populate_existing=True)
    return sweep_state(sweep, [run.state for run in runs_of(session, sweep_id)], finish.state)


def sweep_state(sweep: Sweep, runs: Sequence[str], finish: str) -> str:
    """A sweep's state, computed: queued running pausing paused succeeded failed cancelled."""
    if finish in ("failed", "cancelled"):
        return finish
    if finish == "succeeded":
        return "cancelled" if "cancelled" in runs else "succeeded"
    busy = "running" in runs or finish == "running"
    if sweep.paused_at is not None:
        return "pausing" if busy else "paused"
    return "queued" if set(runs) == {"queued"} else "running"
