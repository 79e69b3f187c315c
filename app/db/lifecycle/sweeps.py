"""A sweep's life: which run is next, what an ended run brings about, cancel, pause, resume."""

from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session

from app.db.clock import clock
from app.db.lifecycle.changes import change, claim, emit, entered, lock
from app.db.lifecycle.states import ENDED, outcomes, runs_of, state_of
from app.db.tables import Dataset, Event, Finish, Json, LedgerRow, Registration, Run, Sweep
from models.sweep import next_allowed, skipped


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
    lock(session, sweep_id)
    sweep = session.get_one(Sweep, sweep_id, populate_existing=True)
    if _budget_spent(session, sweep):
        for run in runs_of(session, sweep_id):
            if run.attempt == 0:
                stop_waiting(session, run.id, "skipped", "budget")
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
    return began is not None and clock(session) > began + timedelta(minutes=sweep.budget_minutes)


def settle(session: Session, sweep_id: str) -> None:
    """Draws the consequences of an ended run: skips what the policy rules out, opens the finish."""
    sweep = session.get_one(Sweep, sweep_id, populate_existing=True)
    for run_id, reason in skipped(sweep.policy, outcomes(runs_of(session, sweep_id))):
        stop_waiting(session, run_id, "skipped", reason)
    runs = runs_of(session, sweep_id)
    if any(run.state not in ENDED for run in runs):
        return
    finish = session.get_one(Finish, sweep_id, populate_existing=True)
    # Scratch is what depths are compared with: it answers alone only where no depth was asked for.
    answering = [run for run in runs if not run.scratch] or runs
    if any(run.state == "succeeded" for run in answering):
        state, failure = "queued", None
    elif sweep.cancel_requested_at is not None:
        state, failure = "cancelled", None
    else:
        state = "failed"
        failure = {"code": "no_depth_succeeded", "detail": "no depth run of the sweep succeeded"}
    where = (Finish.id == sweep_id, Finish.state == "waiting")
    if change(session, Finish, where, {"state": state, "failure": failure}):
        session.refresh(finish)
        entered(session, Finish, sweep_id, state)


def stop_waiting(session: Session, run_id: str, state: str, reason: str) -> None:
    where = (Run.id == run_id, Run.state == "queued", Run.lease_owner.is_(None))
    if change(session, Run, where, {"state": state, "stop_reason": reason}):
        entered(session, Run, run_id, state)


def cancel(session: Session, sweep_id: str) -> None:
    """Asks a sweep to stop: waiting runs end now, running ones when their lane sees it."""
    where = (Sweep.id == sweep_id, Sweep.cancel_requested_at.is_(None))
    if state_of(session, sweep_id) in ENDED:
        return
    asked: Json = {"cancel_requested_at": clock(session), "paused_at": None}
    if not change(session, Sweep, where, asked):
        return
    # Told first: if nothing is running, the terminal event follows at once and is the last.
    emit(session, sweep_id, "sweep", {"state": state_of(session, sweep_id), "cancel": "requested"})
    for run in runs_of(session, sweep_id):
        stop_waiting(session, run.id, "cancelled", "cancelled")
    settle(session, sweep_id)


def pause(session: Session, sweep_id: str) -> None:
    """Asks a sweep to hold: running runs go back to waiting at their last checkpoint."""
    where = (Sweep.id == sweep_id, Sweep.paused_at.is_(None), Sweep.cancel_requested_at.is_(None))
    if state_of(session, sweep_id) in ENDED:
        return
    if change(session, Sweep, where, {"paused_at": clock(session)}):
        emit(session, sweep_id, "sweep", {"state": state_of(session, sweep_id)})


def resume(session: Session, sweep_id: str) -> None:
    """Lets a held sweep go on; its waiting rows are rung again."""
    where = (Sweep.id == sweep_id, Sweep.paused_at.is_not(None))
    if not change(session, Sweep, where, {"paused_at": None}):
        return
    runs = update(Run).where(Run.sweep_id == sweep_id, Run.state == "queued")
    session.execute(runs.values(rung_at=None))
    session.execute(update(Finish).where(Finish.id == sweep_id).values(rung_at=None))
    emit(session, sweep_id, "sweep", {"state": state_of(session, sweep_id)})


def ask_again(session: Session, registration_id: str) -> bool:
    """Lets a failed registration wait once more, its losses forgotten."""
    where = (Registration.id == registration_id, Registration.state == "failed")
    fresh = {"state": "queued", "failure": None, "losses": 0, "lost_workers": 0, "due_at": None}
    if not change(session, Registration, where, fresh):
        return False
    entered(session, Registration, registration_id, "queued")
    return True


def erase_dataset(session: Session, dataset_id: str) -> bool:
    """Hides a data set and erases its ledger; False, and nothing done, while a sweep needs it.

    The row is locked first, as the creation of a sweep does: the two cannot pass each other.
    """
    erased: Json = {
        "state": "deleted",
        "pack": None,
        "problems": [],
        "warnings": [],
        "lease_owner": None,
        "erased_at": clock(session),
    }
    if not _change_unused(session, dataset_id, (), erased):
        return False
    session.execute(delete(LedgerRow).where(LedgerRow.dataset_id == dataset_id))
    return True


def replace_pack(session: Session, dataset_id: str, pack: str | None, values: Json) -> bool:
    """Puts the facts of another pack, one without a subject, in the place of `pack`; False, and
    nothing done, while a sweep needs the data set or where `pack` is its pack no more.
    """
    where = (Dataset.pack == pack, Dataset.state.in_(("ready", "rejected")))
    return _change_unused(session, dataset_id, where, {**values, "erased_at": clock(session)})


def _change_unused(
    session: Session, dataset_id: str, where: tuple[ColumnElement[bool], ...], values: Json
) -> bool:
    """Changes a data set that no sweep and no registration needs."""
    session.execute(select(Dataset.id).where(Dataset.id == dataset_id).with_for_update())
    of_it = Sweep.dataset_id == dataset_id
    tuned = exists().where(of_it, Finish.id == Sweep.id, Finish.state.not_in(ENDED))
    exported = exists().where(
        of_it, Registration.sweep_id == Sweep.id, Registration.state.not_in(ENDED)
    )
    return change(session, Dataset, (Dataset.id == dataset_id, ~tuned, ~exported, *where), values)
