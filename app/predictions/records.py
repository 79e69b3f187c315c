"""A prediction as a record: its row, its audit row, and the envelope while it has no finding."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.auth import Caller
from app.db.tables import Json, Prediction, now
from app.predictions.answering import INTENDED_USE, Answered, Asked
from app.predictions.journal import Entry

ANSWERED, ACCEPTED = 200, 202


@dataclass(frozen=True)
class Call:
    """A prediction asked for over HTTP: by whom, in which request, under which idempotency key."""

    caller: Caller
    request_id: str
    asked: Asked
    key: str | None = None


def object_name(prediction_id: str) -> str:
    """Where an input lies that is too large for memory or waits for a worker."""
    return f"inputs/{prediction_id}"


def output_name(prediction_id: str, attempt: int, name: str) -> str:
    """Where a picture or a film of a prediction lies; each attempt writes its own."""
    return f"outputs/{prediction_id}/{attempt}/{name}"


def entry(call: Call, answered: Answered) -> Entry:
    """The rows of a prediction that was answered at once."""
    values = {"state": "succeeded", "upload": None, "reply": answered.envelope}
    return Entry(row(call, values), audit(call, ANSWERED))


def row(call: Call, values: Json) -> Json:
    """The columns of a prediction's row; `values` has those that differ by its state."""
    at = now()
    return {
        "id": call.asked.id,
        "workspace": call.caller.workspace,
        "created_at": at,
        "created_by": call.caller.key_id,
        "task": call.asked.task.name,
        "model_id": call.asked.serving.model_id,
        "options": _options(call.asked),
        "times": {values["state"]: at.isoformat()},
        **values,
    }


def _options(asked: Asked) -> Json:
    """What was asked, with the point of the deployment at that moment: a job answers by it."""
    point = asked.serving.point
    return {**asdict(asked.options), "point": None if point is None else asdict(point)}


def audit(call: Call, status: int) -> Json:
    action = f"predict_{call.asked.task.name}"
    return audited(call.caller, action, call.asked.id, status, call.request_id)


def audited(caller: Caller, action: str, resource: str, status: int, request_id: str) -> Json:
    return {
        "at": now(),
        "workspace": caller.workspace,
        "key_id": caller.key_id,
        "action": action,
        "resource": resource,
        "status": status,
        "request_id": request_id,
    }


def kept(row: Mapping[str, Any], reply: Mapping[str, Any]) -> Json:
    """A reply as the resource that it has become: `row` has the columns of who made it and when."""
    at = row["created_at"].isoformat().replace("+00:00", "Z")
    made = {"id": row["id"], "created_at": at, "created_by": row["created_by"]}
    return {**made, **reply}


def unanswered(found: Prediction, model: Mapping[str, Any] | None) -> Json:
    """The resource of a prediction that has no finding: not yet, or none will come."""
    envelope: Json = {
        "prediction_id": found.id,
        "state": found.state,
        "task": found.task,
        "model": model,
        "operating_point": None,
        "input": None,
        "intended_use": INTENDED_USE,
        "warnings": [],
        "milliseconds": None,
        "finding": None,
        "progress": found.progress if found.state == "running" else None,
    }
    if found.failure is not None:
        envelope["failure"] = found.failure
    return kept(vars(found), envelope)
