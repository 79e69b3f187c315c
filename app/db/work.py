"""Questions that workers ask of the table before they start anything; no row is changed here."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from app.db.clock import clock
from app.db.lifecycle import BUSY, ENDED, WAITING, WORK, Work, next_runs
from app.db.tables import Dataset, Finish, Prediction, Registration, Run, Sweep

OF_A_SWEEP: tuple[Work, ...] = (Run, Finish, Registration)
AT_ONCE = 8


def _free(table: Work, at: datetime) -> ColumnElement[bool]:
    """Waiting, due, and in nobody's hands."""
    due = or_(table.due_at.is_(None), table.due_at <= at)
    return and_(table.state == WAITING[table], table.lease_owner.is_(None), due)


def claimable(session: Session, sweep_id: str) -> int:
    """How many lanes of a sweep could take work at this moment."""
    at = clock(session)
    sweep = session.get_one(Sweep, sweep_id, populate_existing=True)
    wishes = select(Registration.id).where(
        Registration.sweep_id == sweep_id, _free(Registration, at)
    )
    count = len(session.scalars(wishes).all())
    if sweep.paused_at is not None:
        return count
    last = select(Finish.id).where(Finish.id == sweep_id, _free(Finish, at))
    count += len(session.scalars(last).all())
    allowed = next_runs(session, sweep)
    runs = select(Run.id).where(Run.id.in_(allowed), _free(Run, at))
    return count + len(session.scalars(runs).all())


def under_way(session: Session) -> bool:
    """Whether any sweep has not ended and is not paused."""
    ahead = select(Sweep.id).join(Finish, Finish.id == Sweep.id)
    going = ahead.where(Finish.state.not_in(ENDED), Sweep.paused_at.is_(None))
    return session.scalars(going.limit(1)).first() is not None


def held(session: Session, owner: str) -> list[tuple[Work, str, int]]:
    """What an owner has claimed and not given back, as (table, id, attempt)."""
    found: list[tuple[Work, str, int]] = []
    for table in WORK:
        where = (table.lease_owner == owner, table.state == BUSY[table])
        rows = session.execute(select(table.id, table.attempt).where(*where))
        found += [(table, row_id, attempt) for row_id, attempt in rows]
    return found


def overdue(session: Session, table: Work, rung_before_s: float) -> list[str]:
    """Waiting rows whose bell nobody answered for so long, or was not rung at all, as that of a
    run given back to a sweep on which another lane works; for runs and the like, sweep ids.
    """
    at = clock(session)
    stale = or_(table.rung_at.is_(None), table.rung_at < at - timedelta(seconds=rung_before_s))
    key = table.sweep_id if table in (Run, Registration) else table.id
    free = select(key).where(_free(table, at), stale).order_by(key).distinct()
    if table not in OF_A_SWEEP:
        free = free.limit(AT_ONCE)  # whoever answers one goes on with the next by itself
    return list(session.scalars(free))


def longest_waiting(session: Session, table: type[Dataset]) -> str | None:
    """The data set that has waited longest."""
    free = _free(table, clock(session))
    return session.scalars(select(table.id).where(free).order_by(table.id)).first()


def longest_waiting_prediction(session: Session, *, long: bool) -> str | None:
    """Which has waited longest for its answer: of the images, or of the videos and volumes."""
    free = _free(Prediction, clock(session))
    waiting = select(Prediction.id).where(free, Prediction.long == long)
    return session.scalars(waiting.order_by(Prediction.id)).first()
