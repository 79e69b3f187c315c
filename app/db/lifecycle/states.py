"""What is: the kinds of work, their states, and a sweep's state computed from its rows."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Dataset, Finish, Json, Prediction, Registration, Run, Sweep
from models.sweep import Outcome

Work = type[Dataset] | type[Run] | type[Finish] | type[Prediction] | type[Registration]
Row = Dataset | Run | Finish | Prediction | Registration
WORK: tuple[Work, ...] = (Dataset, Run, Finish, Prediction, Registration)
_JOBS: tuple[Work, ...] = (Run, Finish, Prediction, Registration)
WAITING: dict[Work, str] = {Dataset: "checking"} | dict.fromkeys(_JOBS, "queued")
BUSY: dict[Work, str] = {Dataset: "checking"} | dict.fromkeys(_JOBS, "running")
ENDED = frozenset({"succeeded", "failed", "cancelled", "skipped", "ready", "rejected"})


def row_of(session: Session, table: Work, row_id: str, *, lock: bool = False) -> Row:
    """A row as the database has it now, whatever the session remembered of it; with `lock` it
    stays so until the commit.
    """
    found = session.get_one(table, row_id, populate_existing=True, with_for_update=lock or None)
    return cast("Row", found)


def runs_of(session: Session, sweep_id: str) -> list[Run]:
    query = select(Run).where(Run.sweep_id == sweep_id).order_by(Run.position)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def outcomes(runs: Sequence[Run]) -> list[Outcome]:
    return [
        Outcome(
            id=run.id, depth=run.depth, scratch=run.scratch, seed=run.seed, fraction=run.fraction,
            state=run.state, headline=_headline(run),
        )
        for run in runs
    ]  # fmt: skip


def _headline(run: Run) -> float | None:
    """The first metric of a run's validation: the one that ranks."""
    first: Json = next(iter(run.validation.values()), {})
    return first.get("value")


def state_of(session: Session, sweep_id: str) -> str:
    sweep = session.get_one(Sweep, sweep_id, populate_existing=True)
    finish = session.get_one(Finish, sweep_id, populate_existing=True)
    states = session.scalars(select(Run.state).where(Run.sweep_id == sweep_id)).all()
    return sweep_state(sweep, states, finish.state)


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
