"""The registry: models with their cards and files, those that were asked for too."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app import ids, queue
from app.auth import Caller
from app.db import lifecycle
from app.db.clock import clock
from app.db.tables import Dataset, Json, Model, Registration, Run, Sweep
from app.errors import Conflict, NotFound
from app.registry import schemas

ORDER = Model.id


def query(workspace: str, task: str | None = None) -> Select[Model]:
    found = select(Model).where(Model.workspace == workspace)
    return found if task is None else found.where(Model.task == task)


def get(session: Session, workspace: str, model_id: str) -> Model:
    found = session.scalars(query(workspace).where(Model.id == model_id)).first()
    if found is None:
        raise NotFound(f"there is no model {model_id[:64]!r}")
    return found


def view(row: Model) -> schemas.Model:
    """The card with the resource's own fields over it."""
    own = {name: getattr(row, name) for name in schemas.Model.model_fields if hasattr(row, name)}
    files = {name: _file(row.id, name, facts) for name, facts in row.files.items()}
    return schemas.Model(**{**row.card, **own, "state": "registered", "files": files})


def _file(model_id: str, name: str, facts: Json) -> schemas.ModelFile:
    href = f"/v1/models/{model_id}/files/{name}"
    return schemas.ModelFile(sha256=facts["sha256"], bytes=facts["bytes"], href=href)


def show(session: Session, workspace: str, model_id: str) -> schemas.Model:
    """A model, or how far the registration of one is."""
    wish = session.scalars(
        select(Registration).where(
            Registration.id == model_id,
            Registration.workspace == workspace,
            Registration.state != "succeeded",
        )
    ).first()
    if wish is not None:
        return view_wish(session, wish)
    return view(get(session, workspace, model_id))


def view_wish(session: Session, wish: Registration) -> schemas.Model:
    run = session.get_one(Run, wish.run_id)
    sweep = session.get_one(Sweep, wish.sweep_id)
    return schemas.Model.model_validate(
        {
            "id": wish.id,
            "state": wish.state,
            "task": sweep.task,
            "sweep_id": sweep.id,
            "run_id": run.id,
            "digest": None,
            "files": {},
            "failure": wish.failure,
            "created_at": wish.created_at,
            "created_by": wish.created_by,
            "arm": run.arm,
            "backbone": sweep.backbone,
        }
    )


def file_of(session: Session, workspace: str, model_id: str, name: str) -> Json:
    """{"object", "sha256", "bytes"} of one file of a model."""
    row = get(session, workspace, model_id)
    if name not in row.files:
        known = ", ".join(sorted(row.files))
        raise NotFound(f"model {row.id} has no file {name[:64]!r}: it has {known}")
    found: Json = row.files[name]
    return found


def register(session: Session, caller: Caller, run_id: str) -> schemas.Model:
    """Asks for a model of a succeeded run; the one there is, if it has been made already.

    A registration that failed waits again.
    """
    run, sweep = _run(session, caller.workspace, run_id)
    made = session.scalars(select(Model).where(Model.run_id == run.id)).first()
    if made is not None:
        return view(made)
    if lifecycle.state_of(session, sweep.id) not in lifecycle.ENDED:
        detail = f"sweep {sweep.id} has not ended; its recommended run is registered by itself"
        raise Conflict("sweep_not_ended", detail, retryable=True)
    if run.state != "succeeded":
        raise Conflict("run_not_succeeded", f"run {run.id} is {run.state}: it has no weights")
    dataset = session.get_one(Dataset, sweep.dataset_id, with_for_update=True)
    if dataset.state != "ready":
        raise Conflict("dataset_gone", f"data set {dataset.id} was deleted: nothing to verify with")
    wish = session.scalars(select(Registration).where(Registration.run_id == run.id)).first()
    if wish is None:
        wish = _wish(session, caller, run)
    else:
        lifecycle.ask_again(session, wish.id)
    queue.after_commit(session, "tune", sweep.id)
    return view_wish(session, wish)


def _run(session: Session, workspace: str, run_id: str) -> tuple[Run, Sweep]:
    found = session.execute(
        select(Run, Sweep)
        .join(Sweep, Sweep.id == Run.sweep_id)
        .where(Run.id == run_id, Sweep.workspace == workspace)
    ).first()
    if found is None:
        raise NotFound(f"there is no run {run_id!r}")
    return found[0], found[1]


def _wish(session: Session, caller: Caller, run: Run) -> Registration:
    at = clock(session)
    wish = Registration(
        id=ids.new("mdl"),
        workspace=caller.workspace,
        created_at=at,
        created_by=caller.key_id,
        sweep_id=run.sweep_id,
        run_id=run.id,
        state="queued",
        rung_at=at,
        times={"queued": at.isoformat()},
    )
    session.add(wish)
    session.flush()
    return wish
