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
from app.predictions import records
from app.predictions.journal import journal
from app.predictions.videos import ANNOTATED
from app.storage import files

CANCEL = "cancel_prediction"
WAITING = frozenset({"queued", "running"})


@dataclass(frozen=True)
class Kept:
    """A prediction as `GET` shows it."""

    state: str
    envelope: Json


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
    if row.reply is not None:
        return Kept(row.state, records.kept(vars(row), row.reply))
    model = session.get(Model, row.model_id)
    return Kept(row.state, records.unanswered(row, _model(model)))


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
    """A file of a video's prediction: {"object", "sha256", "bytes"}. Raises a Problem, 404 with
    the way out where there is none.
    """
    fresh = _fresh(workspace, prediction_id)
    with reading() as session:
        row = None if fresh else _found(session, workspace, prediction_id)
    if row is None or not row.video:
        detail = "it is of an image: send that again with Accept: image/png for its picture"
        raise NotFound(detail, code="not_a_video")
    if row.state in WAITING:
        detail = f"it is {row.state}: there is nothing to show before it has succeeded"
        raise Problem(404, "not_ready", detail, retryable=True)
    if (found := (row.outputs or {}).get(name)) is None:
        raise NotFound(_missing(row, name), code="not_made")
    if not files().exists(found["object"]):
        raise NotFound("it is no longer kept: send the video again", code="no_longer_kept")
    return dict(found)


def _missing(row: Prediction, name: str) -> str:
    if row.state == "succeeded" and name == ANNOTATED:
        return "no annotated film was asked for: send the video again with annotated=true"
    return f"the prediction is {row.state}: it has no {name}; send the video again"


def _model(model: Model | None) -> Mapping[str, Any] | None:
    if model is None:
        return None
    return {"id": model.id, "digest": model.digest, "arm": model.card.get("arm")}
