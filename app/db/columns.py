"""What every record is made of: moments in UTC, JSON, owners, and the lease of a row with work."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Integer, MetaData
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

Json = dict[str, Any]


def now() -> datetime:
    return datetime.now(UTC)


class Utc(TypeDecorator[datetime]):
    """A moment in UTC; SQLite forgets the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


# For rows without end; SQLite numbers by itself only what it calls INTEGER (64 bits there).
Serial = BigInteger().with_variant(Integer, "sqlite")

# Every constraint has a name, the same on each database, so that a migration can speak of it.
NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - read once by SQLAlchemy, as its documentation has it
        datetime: Utc,
        Json: JSON,
        list[Any]: JSON,
    }


class Owned:
    """Made by a key, seen only inside its workspace."""

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str]


class Leased:
    """Work that a process claims, keeps by making progress, and may lose (app.db.lifecycle).

    attempt is the fencing number: a write that carries an older one touches no row. losses counts
    attempts lost at the same checkpoint while their worker lived; lost_workers those whose
    worker or machine vanished.
    """

    state: Mapped[str] = mapped_column(index=True)
    attempt: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    rung_at: Mapped[datetime | None]
    losses: Mapped[int] = mapped_column(default=0)
    lost_workers: Mapped[int] = mapped_column(default=0)
    failure: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    times: Mapped[Json] = mapped_column(default=dict)  # state -> when it was entered, RFC 3339
