"""The mouth of the queue: a bell that carries an id; losing or doubling it changes nothing."""

import os
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import structlog
from celery import Celery
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.settings import settings

QUEUES = {"check": "io", "tune": "tune", "predict": "predict"}  # job -> queue
RING_S = 0.4  # each of two waits, and each try to connect, is at most so long

log = structlog.get_logger()


class Configuration:
    """Celery's settings; an object with properties, so that ours are read at first use only."""

    @property
    def broker_url(self) -> str:
        return settings().broker

    # The row is the truth: a message is acknowledged as it is taken, nobody waits for a result.
    task_acks_late = False
    task_ignore_result = True
    result_backend = None
    task_serializer = "json"
    accept_content = ("json",)
    task_default_queue = "io"
    task_routes = {  # noqa: RUF012 - read by Celery
        f"layertune.{job}": {"queue": name} for job, name in QUEUES.items()
    }
    # One message at a time and none set aside, so that no bell waits behind a long training.
    worker_prefetch_multiplier = 1
    worker_disable_prefetch = True
    worker_hijack_root_logger = False
    broker_connection_retry_on_startup = True
    broker_connection_max_retries = None  # a broker that is away comes back
    # Concerns late acknowledgement, which nothing here uses; unset, Celery 5 warns at each loss.
    worker_cancel_long_running_tasks_on_connection_loss = True
    broker_pool_limit = None  # bells are rare: a fresh connection each is never a stale one


queue = Celery("layertune", set_as_current=False)
queue.config_from_object(Configuration())
# Celery loads its parts at their first use: the first bell would spend its time on that.
import_module("kombu.transport.redis")

_bell = threading.Lock()
os.register_at_fork(after_in_child=lambda: _bell.release() if _bell.locked() else None)


def redis_url(broker: str) -> str:
    """Celery's broker URL in the words of the Redis client: unix:// for redis+socket://."""
    return broker.replace("redis+socket://", "unix://", 1)


def _ring(job: str, row_id: str) -> None:
    options: dict[str, float] = {"max_retries": 0, "socket_timeout": RING_S}
    if not urlsplit(settings().broker).scheme.endswith("+socket"):
        options["socket_connect_timeout"] = RING_S
    with queue.connection_for_write(transport_options=options) as connection:
        queue.send_task(
            f"layertune.{job}", (row_id,), queue=QUEUES[job], connection=connection, retry=False
        )


def ring(job: str, row_id: str) -> bool:
    """Rings for a row; False if the broker is away. Never raises, never waits above a second.

    The sending is done in a thread of its own, as not every wait below us (a name looked up, say)
    can be bounded; while one hangs the next ring gives up early. `reconcile` rings again.
    """
    if not _bell.acquire(timeout=RING_S):
        log.warning("bell_busy", job=job, id=row_id)
        return False
    failed: list[str] = ["no answer in time"]

    def send() -> None:
        try:
            _ring(job, row_id)
            failed.clear()
        except Exception as error:  # noqa: BLE001 - whatever it was, the row stands and is rung again
            failed[:] = [type(error).__name__]
        finally:
            _bell.release()

    thread = threading.Thread(target=send, name="bell", daemon=True)
    thread.start()
    thread.join(RING_S)
    if failed:
        log.warning("bell_lost", job=job, id=row_id, why=failed[0])
    return not failed


# What after_commit rings; tests put a recorder in its place.
ringer: list[Callable[[str, str], Any]] = [ring]


def after_commit(session: Session, job: str, row_id: str) -> None:
    """Rings once the session's transaction has committed; not at all if it rolls back."""
    bells = session.info.setdefault("bells", [])
    bells.append((job, row_id))
    if len(bells) == 1 and not event.contains(session, "after_commit", _committed):
        event.listen(session, "after_commit", _committed)
        event.listen(session, "after_rollback", _rolled_back)


def _committed(session: Session) -> None:
    for job, row_id in session.info.pop("bells", []):
        try:
            ringer[0](job, row_id)
        except Exception:
            log.warning("bell_lost", job=job, id=row_id, exc_info=True)


def _rolled_back(session: Session) -> None:
    session.info.pop("bells", None)
