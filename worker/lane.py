"""`python -m worker.lane SWEEP`: does a sweep's work until none is left to take.

The one process of the service that loads torch. It claims runs, the finish and registrations from
the table, keeps its claim by progress, and gives it back when it is asked to stop.
"""

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import lifecycle, work
from app.db.lifecycle import LeaseLostError, Work
from app.db.tables import Finish, Registration, Run, Sweep
from app.settings import settings
from app.storage import AwayError
from models.choice import NothingToChooseError
from models.shortage import full_disk
from models.tuning.errors import TuningError
from worker.alive import (
    NO_DATABASE,
    UNHURRIED,
    InterruptedWork,
    Lease,
    outage,
    patiently,
    put_off,
    wait_for_room,
)
from worker.failures import failure_of
from worker.finishing import finish, register
from worker.tether import Tether, tie
from worker.training import train

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claimed:
    """A row that is ours, and what is done with it."""

    table: Work
    row_id: str
    attempt: int
    lost_before: int
    act: Callable[[Lease], None]


def main() -> int:
    tether = tie("lane")
    while not tether.stop.is_set():
        claimed = claim(tether)
        if claimed is None:
            return 0
        perform(claimed, tether)
    return 0


def claim(tether: Tether) -> Claimed | None:
    """The next row of the sweep that is free: a run, else the finish, else a registration."""
    sweep_id, owner, lease_s = tether.row_id, tether.owner, settings().lease_s

    def take(session: Session) -> Claimed | None:
        sweep = session.get(Sweep, sweep_id)
        if sweep is None:
            return None
        # Between two rows a lane holds none, unless the answer to a claim's commit got lost.
        for table, row_id, held in work.held(session, owner):
            lifecycle.release(session, table, row_id, held)
        run = lifecycle.claim_next_run(session, sweep_id, owner, lease_s)
        if run is not None:
            lost = run.losses + run.lost_workers
            return Claimed(Run, run.id, run.attempt, lost, partial(train, run))
        if sweep.paused_at is None:
            attempt = lifecycle.claim(session, Finish, sweep_id, owner, lease_s)
            if attempt is not None:
                last = session.get_one(Finish, sweep_id)
                lost = last.losses + last.lost_workers
                return Claimed(Finish, sweep_id, attempt, lost, partial(finish, sweep_id))
        return _claim_registration(session, tether)

    return patiently(take)


def _claim_registration(session: Session, tether: Tether) -> Claimed | None:
    waiting = select(Registration).where(
        Registration.sweep_id == tether.row_id, Registration.state == "queued"
    )
    for row in session.scalars(waiting):
        attempt = lifecycle.claim(session, Registration, row.id, tether.owner, settings().lease_s)
        if attempt is not None:
            lost = row.losses + row.lost_workers
            return Claimed(Registration, row.id, attempt, lost, partial(register, row.id))
    return None


def perform(claimed: Claimed, tether: Tether) -> None:
    """Does the work and sees to it that its row says how it ended, whatever happens."""
    wish = wish_for(claimed.row_id) if claimed.table is Run else wish_for_nothing
    try:
        lease = Lease(
            claimed.table, claimed.row_id, claimed.attempt, tether.stop,
            wish=wish, lost_before=claimed.lost_before, unhurried=UNHURRIED,
        )  # fmt: skip
        claimed.act(lease)
    except LeaseLostError:
        log.warning("%s: attempt %d was taken over", claimed.row_id, claimed.attempt)
    except InterruptedWork as interruption:
        reason = interruption.reason
        conclude(claimed, lambda session: give_back(session, claimed, reason))
    except AwayError as error:
        log.warning("%s: %s; it waits", claimed.row_id, error)
        conclude(claimed, lambda s: put_off(s, claimed.table, claimed.row_id, claimed.attempt))
    except TuningError as error:
        log.warning("%s failed: %s", claimed.row_id, error.code)
        fail(claimed, {"code": error.code, "detail": str(error)})
    except NothingToChooseError as error:
        fail(claimed, {"code": "nothing_to_choose", "detail": str(error)})
    except Exception as error:  # the edge where an exception becomes a word in the table
        log.exception("%s failed", claimed.row_id)
        fail_or_wait(claimed, error)


def wish_for(run_id: str) -> Callable[[Session], str | None]:
    """What people wish of a run's sweep while it trains: to end it, or to hold it."""
    query = select(Sweep.cancel_requested_at, Sweep.paused_at).join(Run).where(Run.id == run_id)

    def look(session: Session) -> str | None:
        cancelled, paused = session.execute(query).one()
        return "cancelled" if cancelled else "paused" if paused else None

    return look


def wish_for_nothing(_: Session) -> str | None:
    """A cancel keeps what is finished: the finish and registrations go on."""
    return None


def give_back(session: Session, claimed: Claimed, reason: str) -> None:
    """A run that was cancelled ends so; any other row waits again at its last checkpoint."""
    if reason == "cancelled":
        lifecycle.end(
            session, claimed.table, claimed.row_id, claimed.attempt, "cancelled",
            stop_reason="cancelled",
        )  # fmt: skip
    else:
        lifecycle.release(session, claimed.table, claimed.row_id, claimed.attempt)


def fail(claimed: Claimed, failure: dict[str, str]) -> None:
    def end(session: Session) -> None:
        values = {"failure": failure}
        if claimed.table is Run:
            values["stop_reason"] = failure["code"]  # type: ignore[assignment]
        lifecycle.end(session, claimed.table, claimed.row_id, claimed.attempt, "failed", **values)

    conclude(claimed, end)


def fail_or_wait(claimed: Claimed, error: Exception) -> None:
    """A full disk and a database that is away are no fault of the work, and pass; anything else
    that nobody foresaw is a fault of ours.
    """
    row = claimed.table, claimed.row_id, claimed.attempt
    if full_disk(error):
        log.warning("%s: the disk is full; it waits", claimed.row_id)
        conclude(claimed, lambda session: wait_for_room(session, *row))
        return
    if outage(error):
        log.warning("%s: %s; it waits", claimed.row_id, NO_DATABASE)
        conclude(claimed, lambda session: put_off(session, *row, NO_DATABASE))
        return
    fail(claimed, failure_of(error))


def conclude(claimed: Claimed, act: Callable[[Session], None]) -> None:
    try:
        patiently(act)
    except LeaseLostError:
        log.warning("%s: attempt %d was taken over", claimed.row_id, claimed.attempt)


if __name__ == "__main__":
    sys.exit(main())
