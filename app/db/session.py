"""Engines and sessions: one transaction per request or step, committed before anyone is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from app.db import chain
from app.settings import settings

BUSY_TIMEOUT_MS = 30_000
CONNECT_TIMEOUT_S = 5
# What no waiting mends. All else that a database says is taken for an outage: a restart has many
# faces.
WRONG = (IntegrityError, DataError, ProgrammingError)
POOL = {"pool_size": 20, "max_overflow": 30, "pool_timeout": 20}  # above the API's 40 threads


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # BEGIN is ours to say, below
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")  # first: the next one may have to wait
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten, not only unlinked
    cursor.close()


def _watch_references(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.cursor().execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred read that turns into a write fails at once under contention, whatever the
    # busy timeout; a writer therefore takes its lock first and waits for it (DESIGN, trap 12).
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def unwatched(url: str) -> Engine:
    """A new engine; on SQLite its connections do not watch foreign keys (see app.db.schema)."""
    if not url.startswith("sqlite"):
        arguments: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S}
        return create_engine(url, pool_pre_ping=True, connect_args=arguments, **POOL)
    file = make_url(url).database
    if file:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    made = create_engine(url, **POOL)
    event.listen(made, "connect", _prepare_sqlite)
    event.listen(made, "begin", _begin_sqlite)
    return made


# No audit row is stored unlinked, whoever adds it.
event.listen(Session, "before_flush", chain.link_objects)
event.listen(Session, "do_orm_execute", chain.link_batch)

_engines: dict[str, Engine] = {}
_making = threading.Lock()


def engine(url: str | None = None) -> Engine:
    """The engine of a database URL (default: the settings'), made once per process."""
    url = url or settings().database
    with _making:
        if url not in _engines:
            made = _engines[url] = unwatched(url)
            if url.startswith("sqlite"):
                event.listen(made, "connect", _watch_references)
        return _engines[url]


def forget_engines(*, close: bool = True) -> None:
    """The next session makes its engine anew. After a fork `close=False`: they are the parent's."""
    with _making:
        for made in _engines.values():
            made.dispose(close=close)
        _engines.clear()


def forget_deleted() -> None:
    """SQLite's log still holds pages as they were before a deletion: it is written back and cut
    to nothing, unless a reader is on it just now. PostgreSQL tidies up by itself (autovacuum).
    """
    made = engine()
    if made.dialect.name == "sqlite":
        with made.execution_options(reading=True).connect() as connection:
            raw = connection.connection.dbapi_connection
            connection.rollback()  # no transaction may be open
            if raw is not None:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


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
