"""How a claim ends: well, given back, or lost; and which rows' bells to ring again."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.db.clock import clock
from app.db.lifecycle.changes import LeaseLostError, emit, entered, in_line, write
from app.db.lifecycle.states import BUSY, WAITING, WORK, Work, row_of, state_of
from app.db.lifecycle.sweeps import settle
from app.db.tables import Dataset, Finish, Prediction, Registration, Run, Sweep

WAITS_S = (2, 5, 15)  # before the second, third, ... try
OUTAGE_WAITS_S = (2, 5, 15, 60, 300)  # what the work needs is away: over an hour until the last try
LOSSES_MAX = 3  # in a row at the same checkpoint, with the worker alive
LOST_WORKERS_MAX = 20


def end(
    session: Session, table: Work, row_id: str, attempt: int, state: str, **values: Any
) -> None:
    """The owner ends its row, once. For runs the sweep is settled in the same transaction."""
    in_line(session, table, row_id)
    write(
        session, table, row_id, attempt, state=state, lease_owner=None, lease_until=None, **values
    )
    entered(session, table, row_id, state)
    if table is Run:
        settle(session, session.get_one(Run, row_id).sweep_id)


def release(session: Session, table: Work, row_id: str, attempt: int) -> None:
    """Gives a row back unharmed (shutdown, pause): it waits again, and no loss is counted.

    What was cancelled meanwhile, itself or its sweep, has nothing to wait for: it ends.
    """
    in_line(session, table, row_id)
    if cancelled(session, table, row_id):
        end_cancelled(session, table, row_id, attempt)
        return
    write(
        session, table, row_id, attempt,
        state=WAITING[table], lease_owner=None, lease_until=None, rung_at=None,
    )  # fmt: skip
    entered(session, table, row_id, WAITING[table])
    if table is Run:
        _say_paused(session, session.get_one(Run, row_id).sweep_id)


def _say_paused(session: Session, sweep_id: str) -> None:
    state = state_of(session, sweep_id)
    if state == "paused":
        emit(session, sweep_id, "sweep", {"state": state})


def cancelled(session: Session, table: Work, row_id: str) -> bool:
    """Whether somebody wants this work to stop for good."""
    if table is Prediction:
        asked = select(Prediction.cancel_requested_at).where(Prediction.id == row_id)
        return session.scalar(asked) is not None
    if table is not Run:
        return False
    sweep_id = session.get_one(Run, row_id).sweep_id
    sweep = session.get_one(Sweep, sweep_id, populate_existing=True)
    return sweep.cancel_requested_at is not None


def end_cancelled(session: Session, table: Work, row_id: str, attempt: int) -> None:
    """The owner ends a row that was cancelled under it."""
    reason = {"stop_reason": "cancelled"} if table is Run else {}
    end(session, table, row_id, attempt, "cancelled", **reason)


def lose(
    session: Session, table: Work, row_id: str, attempt: int, *, worker_alive: bool, detail: str,
    only_expired: bool = False, code: str = "lost_worker", waits_s: Sequence[int] | None = None,
) -> None:  # fmt: skip
    """An attempt ended without a word: it waits (`waits_s`, else WAITS_S) and is tried again, up to
    the limits; `code` is what it then failed of.

    What was cancelled, itself or its sweep, is cancelled. Raises LeaseLostError if the row has
    moved on, or, with `only_expired`, if its owner has renewed the lease meanwhile.
    """
    in_line(session, table, row_id)
    row = row_of(session, table, row_id, lock=True)
    at = clock(session)
    if only_expired and (row.lease_until is None or row.lease_until >= at):
        raise LeaseLostError(f"{table.__tablename__} {row_id}: its lease was renewed")
    losses = row.losses + worker_alive
    lost_workers = row.lost_workers + (not worker_alive)
    if cancelled(session, table, row_id):
        end_cancelled(session, table, row_id, attempt)
        return
    if losses >= LOSSES_MAX or lost_workers >= LOST_WORKERS_MAX:
        failure = {
            "code": code,
            "detail": f"given up after {row.attempt} attempts: {detail}",
        }
        state = "rejected" if table is Dataset else "failed"
        counts = {"losses": losses, "lost_workers": lost_workers}
        end(session, table, row_id, attempt, state, failure=failure, **counts)
        return
    tries = max(losses, lost_workers)
    waits_s = waits_s or WAITS_S
    wait_s = waits_s[min(tries, len(waits_s)) - 1]
    write(
        session, table, row_id, attempt,
        state=WAITING[table], lease_owner=None, lease_until=None, rung_at=None,
        losses=losses, lost_workers=lost_workers, due_at=at + timedelta(seconds=wait_s),
    )  # fmt: skip
    entered(session, table, row_id, WAITING[table])


def expired(session: Session) -> list[tuple[Work, str, int]]:
    """Claims whose lease has run out, as (table, id, attempt); hand each to `lose`."""
    at = clock(session)
    found: list[tuple[Work, str, int]] = []
    for table in WORK:
        where = (table.state == BUSY[table], table.lease_until < at)
        rows = session.execute(select(table.id, table.attempt).where(*where))
        found += [(table, row_id, attempt) for row_id, attempt in rows]
    return found


def unrung(session: Session, ring_again_s: float) -> list[tuple[Work, str]]:
    """Waiting rows whose bell may have been lost: due, unclaimed, not rung lately.

    They count as rung from now on. One lane serves a whole sweep, so for runs, finishes and
    registrations the id is the sweep's; a paused sweep, and one whose run a live lane has in
    hand, are left alone, and their rows stay unrung.
    """
    at, found = clock(session), []
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
