"""The predict job: one queued prediction, answered by the very code that answers a request."""

import logging
from collections.abc import Callable

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


@queue.task(name="layertune.predict")  # type: ignore[untyped-decorator]  # Celery has no types
def predict_bell(row_id: str) -> None:
    jobs.answer("predict", row_id)


def predict(prediction_id: str | None) -> None:
    """Answers predictions until none waits: bells that rang while the hands were full are lost."""
    while prediction_id is not None and not stopping.is_set():
        predict_one(prediction_id)
        with reading() as session:
            prediction_id = work.longest_waiting(session, Prediction)


def predict_one(prediction_id: str) -> None:
    """Claims a prediction, if it still waits, and ends its row one way or the other."""
    with writing() as session:
        if session.get(Prediction, prediction_id) is None:
            return
        attempt = lifecycle.claim(
            session, Prediction, prediction_id, jobs.worker_name, settings().lease_s
        )
    if attempt is None:
        return
    try:
        ended = _run(prediction_id, attempt)
        if ended is not None:
            patiently(ended)
    except LeaseLostError:
        log.warning("%s: another has taken it", prediction_id)
    except SQLAlchemyError:
        log.exception("%s: left to its lease", prediction_id)


def _run(prediction_id: str, attempt: int) -> Callable[[Session], None] | None:
    """Answers it; what is to be written if that did not end its row."""
    row = Prediction, prediction_id, attempt
    try:
        lease = Lease(*row, stopping)
        service.run_queued(prediction_id, attempt, lease.tick)
    except InterruptedWork:
        return lambda session: lifecycle.release(session, *row)
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
