"""The registry: models with their cards and files, and the names they are deployed under."""

from collections import Counter
from dataclasses import asdict
from functools import partial

from sqlalchemy import Select, event, func, select
from sqlalchemy.orm import Session

from app import ids, queue
from app.auth import Caller
from app.db import lifecycle
from app.db.clock import clock
from app.db.tables import Dataset, Deployment, Json, Model, Registration, Run, Sweep
from app.errors import Conflict, NotFound, Unprocessable
from app.registry import schemas
from models import discovery
from models.findings import OperatingPoint
from models.inference.predict import PointError, choose_point, point_of

ONNX = "model.onnx"
ORDER = Model.id
DEPLOYMENT_ORDER = Deployment.name
HISTORY_MAX = 50  # versions shown of a deployment

# How often deployments of a workspace have changed in this process: what serving remembers of
# them is dropped when this moves. Other processes see a change when their memory runs out.
changed_at: Counter[str] = Counter()


# ---- models ---------------------------------------------------------------------------------


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


# ---- deployments ----------------------------------------------------------------------------


def deploy(
    session: Session, caller: Caller, name: str, asked: schemas.DeploymentRequest
) -> schemas.Deployment:
    """Puts a model behind a name, as its newest version; putting an old one is the rollback."""
    model = session.scalars(query(caller.workspace).where(Model.id == asked.model_id)).first()
    if model is None:
        raise NotFound(f"there is no model {asked.model_id!r}")
    if ONNX not in model.files:
        raise _wrong("model_not_servable", "model_id", f"model {model.id} has no {ONNX}")
    if name in discovery.tasks() and name != model.task:
        detail = f"{name!r} answers for its task; model {model.id} is of {model.task}"
        raise _wrong("task_mismatch", "model_id", detail)
    point = _chosen(model, asked.operating_point)
    kept = None if point is None else asdict(point)
    # Locked, so that two changes at once get two versions.
    before = list(session.scalars(_history(caller.workspace, name).with_for_update()))
    if before and (before[0].model_id, before[0].operating_point) == (model.id, kept):
        return _deployment(before)  # PUT is idempotent: nothing changed, so no new version
    row = Deployment(
        workspace=caller.workspace,
        name=name,
        version=before[0].version + 1 if before else 1,
        task=model.task,
        model_id=model.id,
        operating_point=kept,
        created_by=caller.key_id,
        created_at=clock(session),
    )
    session.add(row)
    session.flush()
    event.listen(session, "after_commit", partial(_changed, caller.workspace), once=True)
    return _deployment([row, *before])


def _changed(workspace: str, _: Session) -> None:
    changed_at[workspace] += 1


def _chosen(model: Model, wanted: str | float | None) -> OperatingPoint | None:
    if wanted is None:
        return default_point(model.card)
    try:
        return choose_point(model.card, str(wanted))
    except PointError as error:
        raise _wrong("unknown_operating_point", "operating_point", str(error)) from error


def default_point(card: Json) -> OperatingPoint | None:
    """The card's own point: the one it names, else the first that its data could resolve.

    None without a positive class: the class of highest score is the answer.
    """
    if card.get("positive") is None:
        return None
    points = [point_of(row) for row in card.get("operating_points") or ()]
    named = card.get("operating_point")
    usable = [point for point in points if point.threshold is not None]
    return next((point for point in usable if point.name == named), next(iter(usable), None))


def _wrong(code: str, field: str, detail: str) -> Unprocessable:
    return Unprocessable(code, detail, [{"pointer": f"#/{field}", "detail": detail}])


def _history(workspace: str, name: str) -> Select[Deployment]:
    """The versions of a deployment, newest first."""
    return (
        select(Deployment)
        .where(Deployment.workspace == workspace, Deployment.name == name)
        .order_by(Deployment.version.desc())
        .limit(HISTORY_MAX)
    )


def _deployment(rows: list[Deployment]) -> schemas.Deployment:
    history = [
        schemas.Version.model_validate(
            {field: getattr(row, field) for field in schemas.Version.model_fields}
        )
        for row in rows[:HISTORY_MAX]
    ]
    newest = rows[0]
    return schemas.Deployment(
        **history[0].model_dump(),
        id=newest.name,
        name=newest.name,
        task=newest.task,
        history=history,
    )


def deployments(workspace: str) -> Select[Deployment]:
    """What answers now: the newest version of every name."""
    latest = (
        select(Deployment.name, func.max(Deployment.version).label("version"))
        .where(Deployment.workspace == workspace)
        .group_by(Deployment.name)
        .subquery()
    )
    return (
        select(Deployment)
        .join(
            latest,
            (Deployment.name == latest.c.name) & (Deployment.version == latest.c.version),
        )
        .where(Deployment.workspace == workspace)
    )


def show_deployment(session: Session, workspace: str, name: str) -> schemas.Deployment:
    rows = list(session.scalars(_history(workspace, name)))
    if not rows:
        raise NotFound(f"there is no deployment {name[:64]!r}")
    return _deployment(rows)


def resolve(
    session: Session, workspace: str, task: str, deployment: str | None, model_id: str | None
) -> tuple[Model, OperatingPoint | None]:
    """Who answers a prediction, and by which operating point; the default is the task's name.

    Raises NotFound where nothing of that name or id is there, Unprocessable for another task's.
    """
    if model_id is not None:
        model = get(session, workspace, model_id)
        point = default_point(model.card)
    else:
        name = deployment or task
        newest = session.scalars(deployments(workspace).where(Deployment.name == name)).first()
        if newest is None:
            detail = f"nothing is deployed as {name[:64]!r}: PUT /v1/deployments/{name[:64]} first"
            raise NotFound(detail, code="nothing_deployed")
        model = session.get_one(Model, newest.model_id)
        point = None if newest.operating_point is None else point_of(newest.operating_point)
    if model.task != task:
        field = "model_id" if model_id is not None else "deployment"
        raise _wrong(
            "task_mismatch", field, f"model {model.id} is of task {model.task}, not {task}"
        )
    return model, point
