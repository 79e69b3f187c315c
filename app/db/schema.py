"""The schema's revision: where the database stands, where it should, how to get there."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import migrations
from app.db.session import unwatched
from app.settings import settings

LOCK = 7_265_118  # any number, the same everywhere: PostgreSQL's advisory lock of a migration


def configuration(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config


@cache
def head() -> str:
    """The newest revision that this code knows."""
    found = ScriptDirectory.from_config(configuration()).get_current_head()
    if found is None:
        raise RuntimeError("no migration found beside migrations/env.py: is the wheel complete?")
    return found


def current(connection: Connection) -> str | None:
    """The revision that the database stands at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(target: str = "head", url: str | None = None) -> None:
    """Brings the database to a revision. Several at once (API replicas starting) wait in line."""
    # An engine of its own: SQLite makes a table anew to alter it, and with foreign keys watched
    # the old one's end would take the rows of every table that refers to it along.
    made = unwatched(url or settings().database)
    try:
        with made.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            command.upgrade(configuration(connection), target)
            if connection.dialect.name == "sqlite":
                check_references(connection)
    finally:
        made.dispose()


def check_references(connection: Connection) -> None:
    """Raises if a row refers to one that is not there; the migration is then undone."""
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise RuntimeError(
            f"migration: a row of {broken[0]} refers to a missing row of {broken[2]}"
        )
