"""The mouth of the queue: a bell that carries an id; losing or doubling it changes nothing."""

from celery import Celery
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.settings import settings

QUEUES = {"check": "io", "tune": "tune", "predict": "predict"}  # job -> queue


queue = Celery("layertune")


def ring(job: str, row_id: str) -> bool:
    """Rings for a row; False if the broker is away. Never raises, never waits above a second."""
    raise NotImplementedError


def after_commit(session: Session, job: str, row_id: str) -> None:
    """Rings once the session's transaction has committed; not at all if it rolls back."""

    def committed(_: Session) -> None:
        ring(job, row_id)

    event.listen(session, "after_commit", committed, once=True)
