"""Alembic's entry: the database of app.settings, or the connection app.db.schema hands over."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from app.db.columns import Utc
from app.db.session import engine
from app.db.tables import Base


def render(kind: str, found: Any, _: object) -> str | Literal[False]:
    """Our column types in SQLAlchemy's words, so that a revision never imports today's tables."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(found, Utc) else False


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=render,
        render_as_batch=context.config.attributes.get("batch", True),  # SQLite makes a table anew
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    with engine().begin() as connection:
        migrate(connection)
