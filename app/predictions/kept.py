"""Predictions as they are kept: shown by their id, stopped, and the files that belong to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.auth import Caller
from app.db import lifecycle
from app.db.session import reading, writing
from app.db.tables import Audit, Json, Model, Prediction
from app.errors import NotFound, Problem
from app.predictions import pictures, records
from app.predictions.journal import journal
from app.predictions.kinds import Kind
from app.predictions.videos import ANNOTATED, TIMELINE
from app.predictions.volumes import OVERVIEW
from app.storage import files
from models import discovery

CANCEL = "cancel_prediction"
OF: dict[str, Kind] = {TIMELINE: "video", ANNOTATED: "video", OVERVIEW: "volume"}
A: dict[Kind, str] = {"image": "an image", "video": "a video", "volume": "a volume"}
INSTEAD: dict[Kind, str] = {
    "image": "send that again with Accept: image/png for its picture",
    "video": f"its picture is {TIMELINE}",
    "volume": f"its picture is {OVERVIEW}",
}
WAITING = frozenset({"queued", "running"})


@dataclass(frozen=True)
class Kept:
    """A prediction as `GET` shows it."""

    state: str
    envelope: Json
    of: Kind = "image"


def get(workspace: str, prediction_id: str) -> Kept:
    """A prediction by its id. Raises NotFound, also for another workspace's."""
    if (fresh := _fresh(workspace, prediction_id)) is not None:
        return Kept(fresh["state"], records.kept(fresh, fresh["reply"]))
    with reading() as session:
        return _kept(session, _found(session, workspace, prediction_id))


def _fresh(workspace: str, prediction_id: str) -> Json | None:
    """The columns of one that was answered at once and is not stored yet."""
    found = journal.find(prediction_id)
    return found if found is not None and found["workspace"] == workspace else None


def _found(session: Session, workspace: str, prediction_id: str) -> Prediction:
    row = session.get(Prediction, prediction_id, populate_existing=True)
    if row is None or row.workspace != workspace:
        raise NotFound(f"there is no prediction {prediction_id} in your workspace")
    return row


def _kept(session: Session, row: Prediction) -> Kept:
    kind = kind_of(row)
    if row.reply is not None:
        return Kept(row.state, records.kept(vars(row), row.reply), kind)
    model = session.get(Model, row.model_id)
    return Kept(row.state, records.unanswered(row, _model(model)), kind)


def cancel(caller: Caller, prediction_id: str, request_id: str) -> Kept:
    """Asks a prediction to stop; one that has ended stays as it is, so again changes nothing."""
    if _fresh(caller.workspace, prediction_id) is not None:
        return get(caller.workspace, prediction_id)
    with writing() as session:
        upload = _found(session, caller.workspace, prediction_id).upload
        ended = lifecycle.cancel_prediction(session, prediction_id)
        row = records.audited(caller, CANCEL, prediction_id, records.ACCEPTED, request_id)
        session.add(Audit(**row))
        now_kept = _kept(session, _found(session, caller.workspace, prediction_id))
    if ended and upload:
        files().delete(upload)
    return now_kept


def output(workspace: str, prediction_id: str, name: str) -> Json:
    """A file kept beside a finding: {"object", "sha256", "bytes"}. Raises a Problem, 404 with the
    way out where there is none.
    """
    return _output(_shown(workspace, prediction_id, OF[name]), name)


def picture(workspace: str, prediction_id: str, slice_: int | None) -> Json | bytes:
    """The overview of a volume's finding as a kept file, or PNG of one slice. For a thread."""
    row = _shown(workspace, prediction_id, "volume")
    overview = _output(row, OVERVIEW)
    return overview if slice_ is None else pictures.drawn(row, slice_)


def _shown(workspace: str, prediction_id: str, wanted: Kind) -> Prediction:
    """The row of a prediction of a kind that has files to show. Raises a Problem."""
    fresh = _fresh(workspace, prediction_id)
    with reading() as session:
        row = None if fresh else _found(session, workspace, prediction_id)
    kind = "image" if row is None else kind_of(row)
    if row is None or kind != wanted:
        raise NotFound(f"it is of {A[kind]}: {INSTEAD[kind]}", code=f"not_a_{wanted}")
    if row.state in WAITING:
        detail = f"it is {row.state}: there is nothing to show before it has succeeded"
        raise Problem(404, "not_ready", detail, retryable=True)
    return row


def kind_of(row: Prediction) -> Kind:
    """What a prediction is of."""
    if not row.long:
        return "image"
    task = discovery.tasks().get(row.task)
    return "volume" if task is not None and task.volumes else "video"


def _output(row: Prediction, name: str) -> Json:
    if (found := (row.outputs or {}).get(name)) is None:
        raise NotFound(_missing(row, name), code="not_made")
    if not files().exists(found["object"]):
        raise NotFound(
            f"it is no longer kept: send the {kind_of(row)} again", code="no_longer_kept"
        )
    return dict(found)


def _missing(row: Prediction, name: str) -> str:
    if row.state == "succeeded" and name == ANNOTATED:
        return "no annotated film was asked for: send the video again with annotated=true"
    return f"the prediction is {row.state}: it has no {name}; send the {kind_of(row)} again"


def _model(model: Model | None) -> Mapping[str, Any] | None:
    if model is None:
        return None
    return {"id": model.id, "digest": model.digest, "arm": model.card.get("arm")}
