"""The names that models are deployed under: who answers, with which point, and back again."""

from collections import Counter
from dataclasses import asdict
from functools import partial

from sqlalchemy import Select, event, func, select
from sqlalchemy.orm import Session

from app.auth import Caller
from app.db.clock import clock
from app.db.tables import Deployment, Json, Model
from app.errors import NotFound, Unprocessable
from app.registry import schemas, service
from models import discovery
from models.findings import OperatingPoint
from models.inference.predict import PointError, choose_point, point_of
from models.spec import GENERAL, preset_of

ONNX = "model.onnx"
ORDER = Deployment.name
HISTORY_MAX = 50  # versions shown of a deployment

# How often deployments of a workspace have changed in this process: what serving remembers of
# them is dropped when this moves. Other processes see a change when their memory runs out.
changed_at: Counter[str] = Counter()


def deploy(
    session: Session, caller: Caller, name: str, asked: schemas.DeploymentRequest
) -> schemas.Deployment:
    """Puts a model behind a name, as its newest version; putting an old one is the rollback."""
    model = service.get(session, caller.workspace, asked.model_id)
    _need_servable(model)
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


def _need_servable(model: Model) -> None:
    """The model could answer, and would answer as it was measured."""
    if ONNX not in model.files:
        raise _wrong("model_not_servable", "model_id", f"model {model.id} has no {ONNX}")
    if preset_of(model.card) not in GENERAL:
        detail = f"model {model.id} asks about every pixel: it is measured beside others and not"
        detail += " served; use one of the preset modern"
        raise _wrong("model_not_servable", "model_id", detail)
    for why in outgrown(model):
        raise _wrong("model_not_servable", "model_id", why)


def outgrown(model: Model) -> list[str]:
    """Why its task, as it is now, would not answer with a model as it was measured."""
    task = discovery.tasks().get(model.task)
    return [f"model {model.id}: {why}" for why in (task.outgrown(model.card) if task else ())]


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


def query(workspace: str) -> Select[Deployment]:
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


def show(session: Session, workspace: str, name: str) -> schemas.Deployment:
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
        model = service.get(session, workspace, model_id)
        _need_servable(model)
        point = default_point(model.card)
    else:
        name = deployment or task
        newest = session.scalars(query(workspace).where(Deployment.name == name)).first()
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
