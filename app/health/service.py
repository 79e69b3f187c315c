"""Whether the service can work now: computed when asked, never remembered."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import redis
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.db import schema
from app.db.clock import clock
from app.db.lifecycle import WORK
from app.db.session import reading
from app.db.tables import Heartbeat
from app.queue import QUEUES, redis_url
from app.settings import Settings, settings

FRESH_S = 30  # a worker beats every few seconds
BROKER_S = 0.5


def _database(_: Settings) -> str | None:
    with reading() as session:
        session.execute(text("SELECT 1"))
    return None


def _migrations(_: Settings) -> str | None:
    with reading() as session:
        stands = schema.current(session.connection())
    if stands == schema.head():
        return None
    return f"the database stands at {stands or 'nothing'}, not {schema.head()}: layertune migrate"


def _broker(given: Settings) -> str | None:
    try:
        with redis.Redis.from_url(
            redis_url(given.broker), socket_timeout=BROKER_S, retry=None
        ) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError):
        return "the broker does not answer; what is accepted now starts when it is back"
    return None


def nearest(folder: Path) -> Path:
    """The folder, or the closest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _disk(given: Settings) -> str | None:
    free = shutil.disk_usage(nearest(given.var.absolute())).free
    if free >= given.disk_floor_bytes:
        return None
    return f"{free >> 20} MiB free, fewer than the floor of {given.disk_floor_bytes >> 20} MiB"


def _workers(given: Settings) -> str | None:
    wanted = set(QUEUES.values()) - ({"tune"} if given.workers == 0 else set())
    with reading() as session:
        missing = sorted(wanted - served(session))
    if not missing:
        return None
    return f"no worker of {', '.join(missing)} was heard of in the last {FRESH_S} s"


def served(session: Session) -> set[str]:
    """The queues that a worker has said lately it serves."""
    fresh = clock(session) - timedelta(seconds=FRESH_S)
    found = session.scalars(select(Heartbeat.queues).where(Heartbeat.at > fresh))
    return {queue for queues in found for queue in queues.split(",")}


CHECKS: dict[str, Callable[[Settings], str | None]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker,
    "disk": _disk,
    "workers": _workers,
}


def missing() -> dict[str, str]:
    """What the service lacks to do its work, by name; empty when it is ready."""
    found: dict[str, str] = {}
    for name, check in CHECKS.items():
        try:
            lacking = check(settings())
        except (SQLAlchemyError, OSError):
            lacking = "the database does not answer"
        if lacking is not None:
            found[name] = lacking
    return found


def work(session: Session) -> Iterable[tuple[str, str, int]]:
    """How many rows of each kind are in each state: (table, state, rows)."""
    for table in WORK:
        rows = session.execute(select(table.state, func.count()).group_by(table.state))
        for state, count in rows:
            yield table.__tablename__, state, count


class Rows(Collector):
    """Gauges read from the tables when asked, so that every replica says the same."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def collect(self) -> Iterator[GaugeMetricFamily]:
        rows = GaugeMetricFamily("layertune_rows", "Rows by state", labels=["table", "state"])
        for table, state, count in work(self.session):
            rows.add_metric([table, state], count)
        yield rows
        alive = served(self.session)
        queues = GaugeMetricFamily(
            "layertune_queue_served", "1 if a worker of the queue was heard of", labels=["queue"]
        )
        for queue in sorted(set(QUEUES.values())):
            queues.add_metric([queue], float(queue in alive))
        yield queues
