"""Signs of life: leases kept by progress, and the pulse that holds the table against the queue."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import delete
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from app.db import lifecycle, work
from app.db.clock import Jumps, clock
from app.db.lifecycle import LeaseLostError, Work
from app.db.session import WRONG, reading, writing
from app.db.tables import Dataset, Finish, Heartbeat, Prediction, Registration, Run
from app.queue import QUEUES, ring
from app.settings import settings
from worker.children import stopping, untidy

log = logging.getLogger(__name__)

JOBS: dict[Work, str] = {
    Dataset: "check", Run: "tune", Finish: "tune", Registration: "tune", Prediction: "predict",
}  # fmt: skip
T = TypeVar("T")

UNHURRIED = 4  # times the lease, as long as nobody has seen how long the steps of this work take
GAPS = 6  # a lease outlasts the longest silence seen so many times
POLL_S = 1.0  # how often a claim's row is looked at, at most
BEAT_S = 5.0
FORGOTTEN_AFTER = timedelta(days=1)
PATIENCE_S = 300.0  # how long a write waits for a database that is away


def patiently(act: Callable[[Session], T]) -> T:
    """`act` in a transaction of its own; tried again while the database is away, up to minutes."""
    began, wait_s = time.monotonic(), 0.5
    while True:
        try:
            with writing() as session:
                return act(session)
        except WRONG:
            raise
        except SQLAlchemyError:
            if time.monotonic() - began > PATIENCE_S:
                raise
            log.warning("the database does not answer; trying again in %.1f s", wait_s)
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, 10)


AWAY = "the file store does not answer"
NO_DATABASE = "the database does not answer"


def outage(error: BaseException) -> bool:
    """Whether an error says that the database is away, and not that a statement is wrong."""
    away = isinstance(error, DBAPIError | PoolTimeoutError)
    return away and not isinstance(error, WRONG)


def put_off(
    session: Session, table: Work, row_id: str, attempt: int, detail: str = AWAY,
    code: str = "lost_worker",
) -> None:  # fmt: skip
    """Lets a row wait because the file store is away, or the disk full: no fault of its own, but
    not for ever.
    """
    lifecycle.lose(
        session, table, row_id, attempt, worker_alive=False, detail=detail, code=code,
        waits_s=lifecycle.OUTAGE_WAITS_S,
    )  # fmt: skip


def wait_for_room(session: Session, table: Work, row_id: str, attempt: int) -> None:
    """Lets a row wait because its disk is full: hours of training must not be thrown away for it.

    What it had stored stays; should nobody make room for an hour it fails as `disk_full`.
    """
    detail = "no space is left on the disk: free some, or lower LAYERTUNE_CACHE_MAX_BYTES"
    put_off(session, table, row_id, attempt, detail, "disk_full")


class InterruptedWork(Exception):  # noqa: N818 - a wish, not an error
    """The work is to stop here: `reason` is stopping (this process), cancelled or paused."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def no_wish(_: Session) -> str | None:
    """Nobody but the process itself stops this kind of work."""
    return None


class Lease:
    """A claim, kept by progress: every stage of the work calls `tick`, silence loses it.

    The lease runs for `lease_s` from the last tick, or for six times the longest gap between two
    ticks seen so far: a slow batch on a slow processor must not lose it. Until `hurry` says that
    every stage has been seen it runs `unhurried` times as long, and each worker that was lost on
    this row doubles it.

    `stop` is this process's wish to end, `wish` reads others' wishes from the table.
    """

    def __init__(
        self, table: Work, row_id: str, attempt: int, stop: threading.Event, *,
        wish: Callable[[Session], str | None] = no_wish, lost_before: int = 0,
        unhurried: int = 1,
    ) -> None:  # fmt: skip
        self.table, self.row_id, self.attempt = table, row_id, attempt
        self.stop, self.wish, self._wished = stop, wish, ""
        self.least_s: float = settings().lease_s * unhurried * 2 ** min(lost_before, 5)
        self.longest_gap_s, self._unhurried = 0.0, unhurried
        self._ticked = self._looked = time.monotonic()
        if self.least_s > settings().lease_s:
            self.renew()

    def hurry(self) -> None:
        """Every stage has ticked: from now on the gaps that were seen say how long silence is."""
        self.least_s, self._unhurried = self.least_s / self._unhurried, 1

    @property
    def length_s(self) -> float:
        return max(self.least_s, GAPS * self.longest_gap_s)

    def tick(self, *_: object) -> None:
        """Progress was made. Raises LeaseLostError if the row has gone to another, InterruptedWork
        if the work is to stop.
        """
        at = time.monotonic()
        gap, self._ticked = at - self._ticked, at
        grew = gap > self.longest_gap_s and GAPS * gap > self.least_s
        if grew:
            log.info(
                "%s: %.1f s without a tick; its lease is now %.0f s", self.row_id, gap, GAPS * gap
            )
        self.longest_gap_s = max(self.longest_gap_s, gap)
        if grew or at - self._looked >= min(POLL_S, settings().lease_s / 4):
            self._looked = at
            self.renew()
        if self.stop.is_set():
            raise InterruptedWork("stopping")
        if self._wished:
            raise InterruptedWork(self._wished)

    def renew(self) -> None:
        """Holds the lease for another length; a database that is away is no reason to stop."""
        try:
            with writing() as session:
                lifecycle.renew(session, self.table, self.row_id, self.attempt, self.length_s)
                self._wished = self.wish(session) or ""
        except SQLAlchemyError:
            log.warning("%s: the database does not answer; going on", self.row_id)


class Pulse(threading.Thread):
    """Says in the table that this worker lives, and brings back what was lost: expired leases,
    bells nobody heard. It outlives every outage of database and broker.
    """

    def __init__(
        self, worker: str, queues: Sequence[str], answer: Callable[[str, str], None]
    ) -> None:
        super().__init__(name="pulse", daemon=True)
        self.worker, self.queues, self.answer = worker, tuple(queues), answer
        self._jumps = Jumps()

    def run(self) -> None:
        every = min(BEAT_S, settings().reconcile_s)
        reconciled = float("-inf")
        while True:
            try:
                if self._jumps.seen(self.beat()):
                    log.warning("the clock was set: owners renew their leases first")
                    reconciled = time.monotonic()
                if time.monotonic() - reconciled >= settings().reconcile_s:
                    reconciled = time.monotonic()
                    reconcile()
                    self.answer_unheard()
            except SQLAlchemyError as error:
                log.warning("the pulse could not reach the database: %s", type(error).__name__)
                # Leases ran on while nobody could renew them: their owners go first.
                reconciled = time.monotonic()
            except Exception:
                # Nothing else restarts this thread, and a worker without a pulse is taken for dead.
                log.exception("the pulse stumbled and goes on")
            if stopping.wait(every):
                return

    def beat(self) -> datetime:
        """When it was, by the clock that all share."""
        with writing() as session:
            at = clock(session)
            row = Heartbeat(worker=self.worker, queues=",".join(self.queues), at=at, facts={})
            session.merge(row)
            session.execute(delete(Heartbeat).where(Heartbeat.at < at - FORGOTTEN_AFTER))
        return at

    def leave(self) -> None:
        """Takes the heartbeat back at an orderly end, so that nobody counts on this worker."""
        if self.is_alive():
            self.join(BEAT_S)  # or a last beat would come after
        try:
            with writing() as session:
                session.execute(delete(Heartbeat).where(Heartbeat.worker == self.worker))
        except SQLAlchemyError:
            log.warning("the database does not answer; the heartbeat will run out by itself")

    def answer_unheard(self) -> None:
        """Does what was rung for and still waits: the bell was lost, or this worker has gone deaf.

        With it the table is the queue, whatever becomes of the broker.
        """
        mine = {table: job for table, job in JOBS.items() if QUEUES[job] in self.queues}
        with writing() as session:
            unheard = [
                (job, row_id)
                for table, job in mine.items()
                for row_id in work.overdue(session, table, settings().reconcile_s)
            ]
        for job, row_id in dict.fromkeys(unheard):
            self.answer(job, row_id)


def reconcile() -> None:
    """Holds the table against the world, once: expired leases are lost, bells rung again."""
    with reading() as session:
        expired = lifecycle.expired(session)
    for claim in expired:
        _lose(*claim)
    with writing() as session:
        bells = lifecycle.unrung(session, settings().ring_again_s)
    for job, row_id in dict.fromkeys((JOBS[table], row_id) for table, row_id in bells):
        if not ring(job, row_id):
            return  # the broker is away: the rows stand, the next pass rings again


def _lose(table: Work, row_id: str, attempt: int) -> None:
    """One transaction per row, so that two workers at it never wait for each other in a ring."""
    with suppress(LeaseLostError), writing() as session:
        lifecycle.lose(
            session, table, row_id, attempt, worker_alive=False, only_expired=True,
            detail="its lease ran out: no progress, or its machine is gone",
        )  # fmt: skip
        log.warning("%s: lease of attempt %d ran out", row_id, attempt)
    untidy.set()
