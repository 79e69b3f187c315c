"""Predictions end to end: answered at once, or queued for a worker who answers them later."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app import idempotency, ids, queue
from app.db import lifecycle
from app.db.clock import clock
from app.db.session import reading, writing
from app.db.tables import Audit, Json, Model, Prediction
from app.errors import NotFound, Problem, TooLarge
from app.predictions import records, videos, volumes
from app.predictions.answering import Answered, Asked, answer, failure_of, model_of
from app.predictions.claims import Claim
from app.predictions.form import Taken
from app.predictions.kinds import SNIFFED_BYTES, Kind, check_image, kind_of
from app.predictions.options import Options
from app.predictions.progress import Progress
from app.predictions.records import ACCEPTED, ANSWERED, Call, object_name
from app.predictions.serving import Serving, resolved, serving
from app.settings import settings
from app.storage import Sink, files, forget
from models import discovery
from models.findings import OperatingPoint
from models.task import Task

IMAGE_BYTES_PER_PIXEL = 4  # of a file: no format needs more for what is read of it


@dataclass(frozen=True)
class Reply:
    """What is sent: the status, the envelope, and where to look if work follows; `again` if it is
    what was said before under the same key.
    """

    status: int
    body: Json
    location: str | None = None
    again: bool = False


def new_id() -> str:
    return ids.new("prd")


def spool(prediction_id: str) -> AbstractContextManager[Sink]:
    """A stream into storage for a file too large for memory."""
    return files().writer(object_name(prediction_id))


@contextmanager
def discarding(prediction_id: str | None) -> Iterator[Callable[[], None]]:
    """Erases the spooled input (None: there is none) unless the function it yields was called."""
    kept = prediction_id is None

    def keep() -> None:
        nonlocal kept
        kept = True

    try:
        yield keep
    finally:
        if not kept and prediction_id is not None:
            forget(files(), object_name(prediction_id))


def resolve(workspace: str, task: str, options: Options) -> Serving:
    """Who answers, from the database. Raises a Problem that names the way out."""
    with reading() as session:
        return resolved.look_up(session, workspace, task, options)


def kind_sent(asked_of: Task, prediction_id: str, taken: Taken) -> Kind:
    """What was sent, by its first bytes. Raises UnsupportedMedia for what is no volume, of a task
    of volumes.
    """
    return kind_of(_head(prediction_id, taken), asked_of)


def _head(prediction_id: str, taken: Taken) -> bytes:
    if taken.data is not None:
        return taken.data[:SNIFFED_BYTES]
    return b"".join(files().open(object_name(prediction_id), 0, SNIFFED_BYTES))


def answered(asked: Asked, taken: Taken) -> Answered:
    """One image answered, wherever its bytes lie. Raises a Problem."""
    if taken.data is not None:
        return answer(asked, taken.data)
    check_image(_head(asked.id, taken), asked.task)
    return answer(asked, _stored(object_name(asked.id)))


def _stored(name: str) -> bytes:
    """A stored image, into memory: only if it can be one by its size. Raises TooLarge."""
    size, most = files().size(name), IMAGE_BYTES_PER_PIXEL * settings().image_max_pixels
    if size > most:
        raise TooLarge(
            f"an image of {size:,} bytes is larger than the limit of {most:,}: send fewer pixels, "
            "or raise LAYERTUNE_IMAGE_MAX_PIXELS"
        )
    return files().get_bytes(name)


def answer_once(call: Call, taken: Taken) -> Reply:
    """An answer under an Idempotency-Key: stored before it is sent, given again if repeated."""
    asking = _asking(call, taken)
    if (earlier := _replayed(asking)) is not None:
        return earlier
    entry = records.entry(call, answered(call.asked, taken))
    reply: Json = entry.prediction["reply"]
    with writing() as session:
        session.add(Prediction(**entry.prediction))
        session.add(Audit(**entry.audit))
        idempotency.remember(session, asking, ANSWERED, reply)
    return Reply(ANSWERED, reply)


def enqueue(call: Call, taken: Taken, kind: Kind = "image") -> Reply:
    """Stores input and row and rings for a worker once they are committed.

    Raises a Problem for what could never be answered: it is refused now and not by the job.
    """
    asked, asking = call.asked, _asking(call, taken)
    if (earlier := _replayed(asking)) is not None:
        return earlier
    asked.serving.point_for(asked.options.operating_point)
    if kind == "image":
        check_image(_head(asked.id, taken), asked.task)
    if taken.data is not None:
        files().put_bytes(object_name(asked.id), taken.data)
    values = {
        "state": "queued", "upload": object_name(asked.id), "long": kind != "image",
    }  # fmt: skip
    prediction = Prediction(**records.row(call, values))
    reply = records.unanswered(prediction, model_of(asked.serving))
    location = f"/v1/predictions/{asked.id}"
    with writing() as session:
        prediction.rung_at = clock(session)
        session.add(prediction)
        session.add(Audit(**records.audit(call, ACCEPTED)))
        idempotency.remember(session, asking, ACCEPTED, reply, location)
        queue.after_commit(session, "predict", asked.id)
    return Reply(ACCEPTED, reply, location)


def _asking(call: Call, taken: Taken) -> idempotency.Asked:
    route = f"predict_{call.asked.task.name}"
    body_sha256 = taken.digest() if call.key else ""
    return idempotency.Asked(call.caller, route, call.key, body_sha256)


def _replayed(asking: idempotency.Asked) -> Reply | None:
    if asking.key is None:
        return None
    with reading() as session:
        earlier = idempotency.replay(session, asking)
    if earlier is None:
        return None
    return Reply(earlier.status, earlier.body, earlier.location, again=True)


# ---- the worker's side ----------------------------------------------------------------------


def run_queued(prediction_id: str, attempt: int, tick: Callable[[], None]) -> None:
    """Answers a claimed prediction and ends its row; the job's whole work.

    `tick` renews the lease. What the caller got wrong ends the row `failed` with its code; other
    errors leave it to the job. LeaseLostError: another attempt owns the row, nothing was written.
    """
    begun = time.perf_counter()
    with reading() as session:
        row = session.get_one(Prediction, prediction_id)
    upload = row.upload or object_name(prediction_id)
    tick()
    try:
        state, values = "succeeded", _worked(_asked(row, begun), row.long, upload, attempt, tick)
    except Problem as problem:
        state, values = "failed", {"failure": failure_of(problem)}
    except FileNotFoundError:
        detail = "the input is no longer stored; send it again"
        state, values = "failed", {"failure": {"code": "bad_data", "detail": detail}}
    tick()
    done: Json = {"upload": None, "progress": None, **values}
    with writing() as session:
        lifecycle.end(session, Prediction, prediction_id, attempt, state, **done)
    files().delete(upload)


def _worked(asked: Asked, long: bool, upload: str, attempt: int, tick: Callable[[], None]) -> Json:
    """The columns that hold what was found."""
    if not long:
        return {"reply": answer(asked, _stored(upload)).envelope}
    claim = Claim(asked, attempt, tick, Progress(asked.id, attempt))
    if asked.task.volumes:
        return volumes.answer(claim, upload)
    return videos.answer(claim, upload)


def wish(session: Session, prediction_id: str) -> str | None:
    """What others want of a claimed prediction: "cancelled", or nothing."""
    return "cancelled" if lifecycle.cancelled(session, Prediction, prediction_id) else None


def stopped(session: Session, prediction_id: str, attempt: int) -> None:
    """Ends a claimed prediction that was cancelled; its input is of no use any more."""
    lifecycle.write(session, Prediction, prediction_id, attempt, upload=None, progress=None)
    lifecycle.end_cancelled(session, Prediction, prediction_id, attempt)


def discard_input(prediction_id: str) -> None:
    files().delete(object_name(prediction_id))


def _asked(row: Prediction, begun: float) -> Asked:
    """What a row asks for. Raises NotFound if its task or model has gone meanwhile."""
    task = discovery.tasks().get(row.task)
    if task is None:
        raise NotFound(f"there is no task {row.task} any more", code="unknown_task")
    kept = dict(row.options)
    point = kept.pop("point")
    for name in ("spacing_mm", "roi_px"):
        kept[name] = None if kept[name] is None else tuple(kept[name])
    with reading() as session:
        model = session.get(Model, row.model_id)
    if model is None:
        raise NotFound(f"model {row.model_id} has been deleted", code="no_model")
    answering = serving(model, OperatingPoint(**point) if point else None)
    return Asked(row.id, task, Options(**kept), answering, begun)
