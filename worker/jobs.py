"""The jobs a bell can name. Each asks the table first: a bell lost or doubled changes nothing."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.db import lifecycle, work
from app.db.clock import Jumps, clock
from app.db.lifecycle import LeaseLostError
from app.db.session import reading
from app.db.tables import Dataset, Run, Sweep
from app.queue import queue, ring
from app.settings import settings
from worker import nursery
from worker.alive import POLL_S, patiently
from worker.children import CALM, Child, how_it_ended, stopping, untidy

log = logging.getLogger(__name__)

SILENT_S = 60.0  # a child that holds nothing for so long does nothing
STARTS_S = 600.0  # before its first claim it loads torch, which takes minutes on a crowded machine
CHECKS = 2  # data sets checked at once; beside them a thread stays free for predictions

worker_name = "worker"
_slots = {
    "check": threading.Semaphore(CHECKS),
    "tune": threading.Semaphore(1),
    "predict": threading.Semaphore(2),
}


def answer(job: str, row_id: str) -> None:
    """Does a job unless this worker has its hands full: the row waits in the table anyway."""
    slot = _slots[job]
    if stopping.is_set() or not slot.acquire(blocking=False):
        return
    try:
        DOES[job](row_id)
    finally:
        slot.release()


_aside: set[threading.Thread] = set()


def answer_aside(job: str, row_id: str) -> None:
    """The same without waiting for it; the pulse must go on beating."""
    thread = threading.Thread(target=answer, args=(job, row_id), name=job, daemon=True)
    _aside.difference_update({ended for ended in _aside if not ended.is_alive()})
    _aside.add(thread)
    thread.start()


def drain(seconds: float) -> None:
    """Waits for what was answered aside, as Celery does for what it delivered: a worker that went
    first would take its lanes' time to give their work back.
    """
    until = time.monotonic() + seconds
    for thread in list(_aside):
        if thread.is_alive():
            thread.join(max(0.0, until - time.monotonic()))


@queue.task(name="layertune.check")  # type: ignore[untyped-decorator]  # Celery has no types
def check_bell(row_id: str) -> None:
    answer("check", row_id)


@queue.task(name="layertune.tune")  # type: ignore[untyped-decorator]
def tune_bell(row_id: str) -> None:
    answer("tune", row_id)


# ---- the jobs -------------------------------------------------------------------------------


def check(dataset_id: str | None) -> None:
    """Checks data sets until none waits, each in a process of its own (worker.check)."""
    while dataset_id is not None and not stopping.is_set():
        with reading() as session:
            row = session.get(Dataset, dataset_id)
            waits = row is not None and row.state == "checking" and row.lease_owner is None
        if waits and tend("worker.check", dataset_id) != 0:
            return  # the row was lost: it has its own time to be tried again
        with reading() as session:
            dataset_id = work.longest_waiting(session, Dataset)


def tune(sweep_id: str) -> None:
    """Keeps one lane on a sweep as long as the table has work for it."""
    while not stopping.is_set():
        with reading() as session:
            if session.get(Sweep, sweep_id) is None:
                return
            lanes = work.claimable(session, sweep_id)
        if not lanes:
            return
        if lanes > 1:
            ring("tune", sweep_id)  # another worker, if one is free, can take part
        if tend("worker.lane", sweep_id) != 0:
            return  # what it held is lost and due again in seconds: reconcile rings


# What this worker can do; worker.predict adds itself where predictions are served, so that a
# tuning worker stays thin.
DOES: dict[str, Callable[[str], None]] = {"check": check, "tune": tune}


def expect_lanes() -> None:
    """Begins what the first lane would wait for longest, if a sweep is under way: where a worker
    has died, the next one imports while the old lease still runs, and not after it.
    """
    with suppress(SQLAlchemyError), reading() as session:
        if work.under_way(session):
            nursery.warm(CALM)


# ---- children -------------------------------------------------------------------------------


def tend(module: str, row_id: str) -> int:
    """Starts a child and stays with it to its end; what it held without a word is lost."""
    child = Child(module, row_id, worker_name)
    watch = Watch(child.owner)
    reason = ""
    try:
        while (status := child.wait(0.2)) is None:
            if stopping.is_set():
                child.tell_to_stop()
            elif not reason and (reason := watch.trouble()):
                log.warning("%s for %s is killed: %s", module, row_id, reason)
                child.kill()
    finally:
        child.close()
    if status != 0:
        untidy.set()  # even where it held nothing: its last act may have been cut short
    _lose_what_it_held(child.owner, reason or how_it_ended(status))
    log.info("%s for %s ended: status %d", module, row_id, status)
    return status


def _lose_what_it_held(owner: str, detail: str) -> None:
    def lose(session: Session) -> None:
        for table, row_id, attempt in work.held(session, owner):
            log.warning("%s: attempt %d ended without a word: %s", row_id, attempt, detail)
            lifecycle.lose(
                session, table, row_id, attempt, worker_alive=not stopping.is_set(), detail=detail
            )

    try:
        patiently(lose)
    except (SQLAlchemyError, LeaseLostError):
        log.warning("what %s held is left to its lease", owner)


class Watch:
    """Looks at a child's rows for the reasons to kill it: deaf to a cancel, stuck, or idle."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._looked = self._held = time.monotonic()
        self._blind, self._jumps = float("-inf"), Jumps()
        self._silent_s = STARTS_S

    def trouble(self) -> str:
        """Why the child must be killed; empty if it need not be. Asks the table once a second."""
        at = time.monotonic()
        if at - self._looked < POLL_S:
            return ""
        self._looked = at
        try:
            return self._trouble(at)
        except SQLAlchemyError:
            # No judgement without the table, nor before the child had time to renew its lease.
            self._blind = self._held = at
            return ""

    def _trouble(self, at: float) -> str:
        with reading() as session:
            shown, rows = clock(session), work.held(session, self.owner)
            if self._jumps.seen(shown):
                self._blind = at  # nor where the clock was set: leases were given by the old one
            if rows:
                self._held, self._silent_s = at, SILENT_S
            for table, row_id, _ in rows:
                until = session.scalar(select(table.lease_until).where(table.id == row_id))
                blind = at - self._blind < settings().lease_s
                if not blind and until is not None and until < shown - GIVEN_UP:
                    return "no progress within its lease"
                if table is Run and _deaf(session, row_id):
                    return f"it did not stop within {settings().grace_s:.0f} s of the cancel"
        if at - self._held > max(self._silent_s, 4 * settings().lease_s):
            return "it held no work for too long"
        return ""


GIVEN_UP = timedelta(seconds=1)


def _deaf(session: Session, run_id: str) -> bool:
    asked = select(Sweep.cancel_requested_at).join(Run, Run.sweep_id == Sweep.id)
    at = session.scalar(asked.where(Run.id == run_id))
    return at is not None and at < clock(session) - timedelta(seconds=settings().grace_s)
