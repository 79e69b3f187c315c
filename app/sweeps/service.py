"""Sweeps: started, shown with their progress, held, resumed, cancelled."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app import ids, queue
from app.auth import Caller
from app.db import lifecycle
from app.db.clock import clock
from app.db.tables import Dataset, EpochRow, Finish, Run, Sweep
from app.errors import NotFound
from app.sweeps import cost, planning, schemas
from app.sweeps.asked import SweepRequest
from models import discovery
from models.spec import recipe_in
from models.task import Task

ORDER = Sweep.id
HISTORY_RUNS = 50  # finished runs that an estimate looks back at


def estimate(session: Session, workspace: str, asked: SweepRequest) -> schemas.Estimate:
    """What the sweep would do and take; nothing is stored."""
    planned = planning.plan(session, workspace, asked)
    speed = cost.macs_per_s(_history(session, planned.backbone.name))
    return schemas.Estimate(
        dataset_id=planned.dataset.id,
        task=planned.task.name,
        backbone=planned.backbone.name,
        arms=[arm.name for arm in planned.arms],
        seeds=list(planned.seeds),
        fractions=list(planned.fractions),
        runs=sum(1 for _ in planned.members()),
        epochs=planned.epochs,
        estimated_seconds=round(planned.macs() / speed, 1),
        recipe=planning.recipe_json(planned.recipe),
    )


def _history(session: Session, backbone: str) -> list[tuple[float, float]]:
    """(multiply-adds, seconds) of the last runs with this backbone, of whatever data set."""
    rows = session.execute(
        select(Run, Dataset, Sweep)
        .join(Sweep, Sweep.id == Run.sweep_id)
        .join(Dataset, Dataset.id == Sweep.dataset_id)
        .where(Sweep.backbone == backbone, Run.state == "succeeded", Run.seconds > 0)
        .order_by(Run.id.desc())
        .limit(HISTORY_RUNS)
    ).all()
    return [
        (_macs(sweep, dataset, run, run.epochs_done), run.seconds) for run, dataset, sweep in rows
    ]


def _macs(sweep: Sweep, dataset: Dataset, run: Run, epochs: int) -> float:
    chosen = recipe_in(sweep.recipe)
    task = discovery.tasks()[sweep.task].by(chosen.preset)
    work = planning.work_of(dataset, task, run.depth, run.fraction, chosen, epochs)
    return cost.run_macs(planning.costs(sweep.backbone, task, dataset), work)


def create(session: Session, caller: Caller, asked: SweepRequest) -> Sweep:
    """Stores the sweep, its runs and its finish in one transaction; rings after the commit."""
    planned = planning.plan(session, caller.workspace, asked)
    at = clock(session)
    sweep = Sweep(
        id=ids.new("swp"),
        workspace=caller.workspace,
        created_at=at,
        created_by=caller.key_id,
        name=asked.name,
        dataset_id=planned.dataset.id,
        task=planned.task.name,
        backbone=planned.backbone.name,
        init=asked.init,
        policy=asked.policy,
        recipe=planning.recipe_json(planned.recipe),
        seeds=list(planned.seeds),
        fractions=list(planned.fractions),
        budget_minutes=asked.budget_minutes,
    )
    session.add(sweep)
    session.flush()
    session.add(Finish(id=sweep.id, state="waiting", times={"waiting": at.isoformat()}))
    for position, member in enumerate(planned.members()):
        session.add(_run(sweep, position, member))
    session.flush()
    lifecycle.emit(session, sweep.id, "sweep", {"state": "queued"})
    queue.after_commit(session, "tune", sweep.id)
    return sweep


def _run(sweep: Sweep, position: int, member: planning.Member) -> Run:
    return Run(
        id=ids.new("run"),
        sweep_id=sweep.id,
        position=position,
        arm=member.arm.name,
        depth=member.arm.depth,
        scratch=member.arm.scratch,
        fraction=member.fraction,
        seed=member.seed,
        plan=[{"layer": layer, "learning_rate": rate} for layer, rate in member.plan],
        state="queued",
        rung_at=sweep.created_at,
        times={"queued": sweep.created_at.isoformat()},
        validation={},
    )


def query(workspace: str, dataset_id: str | None = None) -> Select[Sweep]:
    found = select(Sweep).where(Sweep.workspace == workspace)
    return found if dataset_id is None else found.where(Sweep.dataset_id == dataset_id)


def get(session: Session, workspace: str, sweep_id: str) -> Sweep:
    found = session.scalars(query(workspace).where(Sweep.id == sweep_id)).first()
    if found is None:
        raise NotFound(f"there is no sweep {sweep_id[:64]!r}")
    return found


def views(session: Session, sweeps: Sequence[Sweep]) -> list[schemas.Sweep]:
    """Sweeps as clients see them, their rows read in a few queries for all."""
    of_them = [sweep.id for sweep in sweeps]
    runs: dict[str, list[Run]] = {sweep_id: [] for sweep_id in of_them}
    ordered = select(Run).where(Run.sweep_id.in_(of_them)).order_by(Run.sweep_id, Run.position)
    for run in session.scalars(ordered):
        runs[run.sweep_id].append(run)
    finishes = {
        row.id: row for row in session.scalars(select(Finish).where(Finish.id.in_(of_them)))
    }
    wanted = {sweep.dataset_id for sweep in sweeps}
    datasets = {
        row.id: row for row in session.scalars(select(Dataset).where(Dataset.id.in_(wanted)))
    }
    return [
        _view(session, sweep, runs[sweep.id], finishes[sweep.id], datasets[sweep.dataset_id])
        for sweep in sweeps
    ]


def view(session: Session, sweep: Sweep) -> schemas.Sweep:
    return views(session, [sweep])[0]


def _view(
    session: Session, sweep: Sweep, runs: Sequence[Run], finish: Finish, dataset: Dataset
) -> schemas.Sweep:
    state = lifecycle.sweep_state(sweep, [run.state for run in runs], finish.state)
    arms = sorted({(run.scratch, run.depth, run.arm) for run in runs})
    kept = {
        name: getattr(sweep, name)
        for name in schemas.Sweep.model_fields
        if name not in {"state", "arms", "progress", "runs", "failure"}
    }
    return schemas.Sweep(
        **kept,
        state=state,
        arms=[arm for _, _, arm in arms],
        progress=_progress(session, sweep, runs, dataset, state),
        runs=[summary(run) for run in runs],
        failure=finish.failure,
    )


def summary(run: Run) -> schemas.RunSummary:
    return schemas.RunSummary(**_fields(run, schemas.RunSummary.model_fields))


def _fields(row: Run, names: Mapping[str, object]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _progress(
    session: Session, sweep: Sweep, runs: Sequence[Run], dataset: Dataset, state: str
) -> schemas.Progress:
    """How far the sweep is. A run that ended early has no epochs left, whatever its recipe said."""
    planned = int(sweep.recipe["epochs"])
    ended = [run for run in runs if run.state in lifecycle.ENDED]
    return schemas.Progress(
        runs_done=len(ended),
        runs=len(runs),
        epochs_done=sum(run.epochs_done for run in runs),
        epochs=sum(run.epochs_done if run.state in lifecycle.ENDED else planned for run in runs),
        eta_s=_eta_s(session, sweep, runs, dataset) if state == "running" else None,
    )


def _eta_s(session: Session, sweep: Sweep, runs: Sequence[Run], dataset: Dataset) -> float | None:
    """Seconds left at the speed seen in this sweep; an upper bound under a policy that skips."""
    spent = [
        (_macs(sweep, dataset, run, run.epochs_done), run.seconds)
        for run in runs
        if run.state == "succeeded" and run.seconds > 0
    ] or _running(session, sweep, runs, dataset)
    if not spent:
        return None
    planned = int(sweep.recipe["epochs"])
    left = sum(
        _macs(sweep, dataset, run, planned) * (1 - min(1.0, run.epochs_done / max(planned, 1)))
        for run in runs
        if run.state not in lifecycle.ENDED
    )
    lanes = max(1, sum(run.state == "running" for run in runs))
    return round(left / cost.macs_per_s(spent) / lanes, 1)


def _running(
    session: Session, sweep: Sweep, runs: Sequence[Run], dataset: Dataset
) -> list[tuple[float, float]]:
    """The speed of the first epochs, before any run has ended."""
    found = []
    for run in runs:
        if run.state == "running" and run.epochs_done > 0:
            records = session.scalars(select(EpochRow.record).where(EpochRow.run_id == run.id))
            seconds = sum(float(record.get("seconds") or 0) for record in records)
            found.append((_macs(sweep, dataset, run, run.epochs_done), seconds))
    return found


def cancel(session: Session, sweep: Sweep) -> None:
    """Waiting runs end now, running ones soon; the lane or the finish is rung for."""
    lifecycle.cancel(session, sweep.id)
    queue.after_commit(session, "tune", sweep.id)


def pause(session: Session, sweep: Sweep) -> None:
    lifecycle.pause(session, sweep.id)


def resume(session: Session, sweep: Sweep) -> None:
    lifecycle.resume(session, sweep.id)
    queue.after_commit(session, "tune", sweep.id)


# ---- runs -----------------------------------------------------------------------------------


def task_of(session: Session, run: Run) -> Task:
    return discovery.tasks()[session.get_one(Sweep, run.sweep_id).task]


def get_run(session: Session, workspace: str, run_id: str) -> Run:
    found = session.scalars(
        select(Run)
        .join(Sweep, Sweep.id == Run.sweep_id)
        .where(Run.id == run_id, Sweep.workspace == workspace)
    ).first()
    if found is None:
        raise NotFound(f"there is no run {run_id[:64]!r}")
    return found


def view_run(session: Session, run: Run) -> schemas.Run:
    rows = session.scalars(
        select(EpochRow).where(EpochRow.run_id == run.id).order_by(EpochRow.epoch)
    )
    kept = _fields(run, {name: None for name in schemas.Run.model_fields if name != "epochs"})
    epochs = [
        schemas.EpochRecord(**{**row.record, "epoch": row.epoch, "at": row.at}) for row in rows
    ]
    return schemas.Run(**kept, epochs=epochs)
