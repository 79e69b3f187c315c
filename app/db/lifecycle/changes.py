"""One row's change: by compare-and-set, fenced by the attempt, told to the sweep's readers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, or_, select, update
from sqlalchemy.orm import Session

from app.db.clock import clock
from app.db.lifecycle.states import BUSY, ENDED, WAITING, Work, row_of, state_of
from app.db.tables import Event, Finish, Json, Run, Sweep


class LeaseLostError(Exception):
    """The row is no longer ours: another attempt owns it, or it has ended. Stop, write nothing."""


def lock(session: Session, sweep_id: str) -> None:
    """Takes the sweep's row until the commit; whoever changes its rows does so first.

    One order of locks for all, or PostgreSQL would find deadlocks; and of two lanes that end the
    last two runs at once, the second sees what the first did.
    """
    session.execute(select(Sweep.id).where(Sweep.id == sweep_id).with_for_update())


def in_line(session: Session, table: Work, row_id: str) -> None:
    if table is Run:
        sweep_id = session.scalar(select(Run.sweep_id).where(Run.id == row_id))
        lock(session, sweep_id or "")
    elif table is Finish:
        lock(session, row_id)


def emit(session: Session, sweep_id: str, kind: str, data: Json, run_id: str | None = None) -> None:
    """Adds an event in the caller's transaction, in the order of its sweep.

    The sweep's row is locked first: on PostgreSQL two transactions could otherwise commit
    their ids in the wrong order, and a reader that had seen the later one would skip the earlier.
    """
    lock(session, sweep_id)
    at = clock(session)
    session.add(Event(sweep_id=sweep_id, run_id=run_id, kind=kind, data=data, at=at))
    session.flush()


def entered(session: Session, table: Work, row_id: str, state: str) -> None:
    """Notes when a state was entered, and tells the sweep's readers."""
    row = row_of(session, table, row_id)
    row.times = {**row.times, state: clock(session).isoformat()}
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


def change(session: Session, table: Work | type[Sweep], where: Sequence[Any], values: Json) -> bool:
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
    at = at or clock(session)
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
    in_line(session, table, row_id)
    if not change(session, table, where, values):
        return None
    entered(session, table, row_id, BUSY[table])
    return row_of(session, table, row_id).attempt


def _mine(table: Work, row_id: str, attempt: int) -> tuple[Any, ...]:
    return (
        table.id == row_id,
        table.state == BUSY[table],
        table.attempt == attempt,
        table.lease_owner.is_not(None),
    )


def write(session: Session, table: Work, row_id: str, attempt: int, **values: Any) -> None:
    """Writes to a row we own. Raises LeaseLostError, having written nothing, if we do not."""
    if not change(session, table, _mine(table, row_id, attempt), values):
        raise LeaseLostError(f"{table.__tablename__} {row_id}: attempt {attempt} is not the owner")
    row_of(session, table, row_id)


def renew(session: Session, table: Work, row_id: str, attempt: int, lease_s: float) -> None:
    """Progress was made: the lease holds for another `lease_s`."""
    until = clock(session) + timedelta(seconds=lease_s)
    write(session, table, row_id, attempt, lease_until=until)


def checkpointed(session: Session, run_id: str, attempt: int, name: str, **values: Any) -> None:
    """A run has stored a new checkpoint: its past losses no longer count."""
    in_line(session, Run, run_id)
    write(session, Run, run_id, attempt, checkpoint=name, losses=0, lost_workers=0, **values)
