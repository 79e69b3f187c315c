"""The predict job: one queued prediction, answered by the very code that answers a request."""

import logging

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.db import lifecycle
from app.db.lifecycle import LeaseLostError
from app.db.session import writing
from app.db.tables import Prediction
from app.predictions import service
from app.queue import queue
from app.settings import settings
from worker import jobs
from worker.alive import InterruptedWork, Lease, patiently
from worker.children import stopping
from worker.failures import failure_of

log = logging.getLogger(__name__)


@queue.task(name="layertune.predict")  # type: ignore[untyped-decorator]  # Celery has no types
def predict_bell(row_id: str) -> None:
    jobs.answer("predict", row_id)


def predict(prediction_id: str) -> None:
    """Claims a prediction, if it still waits, and ends its row one way or the other."""
    with writing() as session:
        if session.get(Prediction, prediction_id) is None:
            return
        attempt = lifecycle.claim(
            session, Prediction, prediction_id, jobs.worker_name, settings().lease_s
        )
    if attempt is None:
        return
    lease = Lease(Prediction, prediction_id, attempt, stopping)
    try:
        service.run_queued(prediction_id, attempt, lease.tick)
    except LeaseLostError:
        log.warning("%s: another has taken it", prediction_id)
    except InterruptedWork:
        patiently(lambda s: lifecycle.release(s, Prediction, prediction_id, attempt))
    except SQLAlchemyError:
        log.exception("%s: left to its lease", prediction_id)
    except Exception as error:  # the edge where an exception becomes a word in the table
        log.exception("%s failed", prediction_id)
        failure = failure_of(error)

        def end(session: Session) -> None:
            lifecycle.end(session, Prediction, prediction_id, attempt, "failed", failure=failure)

        patiently(end)


jobs.DOES["predict"] = predict
