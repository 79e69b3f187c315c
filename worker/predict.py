"""The predict job: queued predictions, answered by the very code that answers a request.

An image is answered here; a video or a volume has a process of its own (worker.video), one at a
time, so that images never wait behind it.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.db import lifecycle, work
from app.db.lifecycle import LeaseLostError
from app.db.session import reading, writing
from app.db.tables import Prediction
from app.predictions import service
from app.queue import queue
from app.settings import settings
from app.storage import AwayError
from worker import jobs
from worker.alive import InterruptedWork, Lease, patiently, put_off
from worker.children import stopping
from worker.failures import failure_of

log = logging.getLogger(__name__)

LONG = "worker.video"
_long = threading.Lock()  # held while one is in work


@queue.task(name="layertune.predict")  # type: ignore[untyped-decorator]  # Celery has no types
def predict_bell(row_id: str) -> None:
    jobs.answer("predict", row_id)


def predict(prediction_id: str | None) -> None:
    """Answers predictions until none waits: bells that rang while the hands were full are lost."""
    while prediction_id is not None and not stopping.is_set():
        with reading() as session:
            row = session.get(Prediction, prediction_id)
        if row is not None and row.long:
            if not _tended(row):
                return  # it was lost: it has its own time to be tried again
        elif row is not None:
            predict_one(prediction_id, jobs.worker_name, stopping)
        with reading() as session:
            prediction_id = _next(session)


def _next(session: Session) -> str | None:
    """Images first: they take milliseconds. Long work only if none is in hand."""
    image = work.longest_waiting_prediction(session, long=False)
    if image is not None or _long.locked():
        return image
    return work.longest_waiting_prediction(session, long=True)


def _tended(row: Prediction) -> bool:
    """Tends the process of long work, unless one is in hand; False if it ended badly."""
    if row.state != "queued" or not _long.acquire(blocking=False):
        return True
    try:
        return jobs.tend(LONG, row.id) == 0
    finally:
        _long.release()


def predict_one(prediction_id: str, owner: str, stop: threading.Event) -> None:
    """Claims a prediction, if it still waits, and ends its row one way or the other."""
    with writing() as session:
        if session.get(Prediction, prediction_id) is None:
            return
        attempt = lifecycle.claim(session, Prediction, prediction_id, owner, settings().lease_s)
    if attempt is None:
        return
    try:
        ended = _run(prediction_id, attempt, stop)
        if ended is not None:
            patiently(ended)
    except LeaseLostError:
        log.warning("%s: another has taken it", prediction_id)
    except SQLAlchemyError:
        log.exception("%s: left to its lease", prediction_id)


def _run(
    prediction_id: str, attempt: int, stop: threading.Event
) -> Callable[[Session], None] | None:
    """Answers it; what is to be written if that did not end its row."""
    row = Prediction, prediction_id, attempt
    try:
        lease = Lease(*row, stop, wish=lambda session: service.wish(session, prediction_id))
        service.run_queued(prediction_id, attempt, lease.tick)
    except InterruptedWork as wished:
        if wished.reason != "cancelled":
            return lambda session: lifecycle.release(session, *row)
        patiently(lambda session: service.stopped(session, prediction_id, attempt))
        with suppress(AwayError):  # the broom takes what is left
            service.discard_input(prediction_id)
    except AwayError as error:
        log.warning("%s: %s; it waits", prediction_id, error)
        return lambda session: put_off(session, *row)
    except (LeaseLostError, SQLAlchemyError):
        raise
    except Exception as error:  # the edge where an exception becomes a word in the table
        log.exception("%s failed", prediction_id)
        failure = failure_of(error)
        return lambda session: lifecycle.end(session, *row, "failed", failure=failure)
    return None


jobs.DOES["predict"] = predict
