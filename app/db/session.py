"""Engines and sessions: one transaction per request or step, committed before anyone is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from app.settings import settings

BUSY_TIMEOUT_MS = 30_000


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # BEGIN is ours to say, below
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred read that turns into a write fails at once under contention, whatever the
    # busy timeout; a writer therefore takes its lock first and waits for it (DESIGN, trap 12).
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@cache
def engine(url: str | None = None) -> Engine:
    """The engine of a database URL (default: the settings'), made once per process."""
    url = url or settings().database
    made = create_engine(url, pool_pre_ping=not url.startswith("sqlite"), pool_size=20)
    if url.startswith("sqlite"):
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", _begin_sqlite)
    return made


@contextmanager
def writing(url: str | None = None) -> Iterator[Session]:
    """A session whose transaction commits at the end of the block, or rolls back on any error."""
    with Session(engine(url), expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def reading(url: str | None = None) -> Iterator[Session]:
    """A session that only reads: it never waits for a writer and writes nothing."""
    with Session(
        engine(url).execution_options(reading=True), expire_on_commit=False, autoflush=False
    ) as session:
        yield session
