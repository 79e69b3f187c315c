"""The audit as a chain: each row holds the SHA-256 over the hash before it and its own content.

Whoever adds audit rows through a session has them linked here, in the same transaction, whether
one by one or in a batch. The writers stand in line from there to their commit: on PostgreSQL by
an advisory lock, on SQLite by being the only writer (app.db.session), so two replicas cannot both
follow the same row.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from app.db.tables import Audit, Json, now

LOCK = 7_265_119  # any number, the same everywhere: PostgreSQL's advisory lock of the chain's end
GENESIS = "0" * 64  # what the first row follows
CHUNK = 5000  # rows read at once when all are verified
FIELDS = ("id", "at", "workspace", "key_id", "action", "resource", "status", "request_id")


@dataclass(frozen=True)
class Verified:
    """Whether every row follows the one before it; `first_broken` is the id of the first that does
    not. `head` is the hash of the last row: noted elsewhere, it later shows that no row was cut
    off the end. `found` says whether a head noted earlier is still there.
    """

    intact: bool
    rows: int
    head: str
    first_broken: int | None = None
    found: bool | None = None


def link(before: str, row: Mapping[str, Any]) -> str:
    """The hash of a row that follows the hash `before`. `row` has FIELDS; `at` is in UTC."""
    content = {name: row[name] for name in FIELDS}
    content["at"] = row["at"].astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def _end(connection: Connection) -> tuple[int, str]:
    """Id and hash of the last row, which stays the last until this transaction is over."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    last = select(Audit.id, Audit.hash).order_by(Audit.id.desc()).limit(1)
    found = connection.execute(last).first()
    return (found.id, found.hash) if found else (0, GENESIS)


def _linked(connection: Connection, rows: Sequence[Json]) -> Iterator[Json]:
    """The rows with the `id`, `at` and `hash` that they get at the chain's end."""
    number, before = _end(connection)
    for row in rows:
        number += 1
        blank: Json = dict.fromkeys(FIELDS)
        made = {**blank, **row, "id": number, "at": _stored(row.get("at"))}
        made["hash"] = before = link(before, made)
        yield made


def _stored(at: datetime | None) -> datetime:
    return (at or now()).astimezone(UTC)


def link_objects(session: Session, _: UOWTransaction, __: Any) -> None:
    """Rows added as objects, before they are flushed."""
    added = [row for row in session.new if isinstance(row, Audit)]
    if added:
        given = [{name: getattr(row, name) for name in FIELDS} for row in added]
        for row, made in zip(added, _linked(session.connection(), given), strict=True):
            row.id, row.at, row.hash = made["id"], made["at"], made["hash"]


def link_batch(asked: ORMExecuteState) -> None:
    """Rows inserted as columns: `session.execute(insert(Audit), rows)`."""
    mapper = asked.bind_mapper
    if not asked.is_insert or mapper is None or mapper.class_ is not Audit:
        return
    rows = asked.parameters
    if not isinstance(rows, list):
        raise TypeError("audit rows are inserted as a list of their columns")
    for row, made in zip(rows, _linked(asked.session.connection(), list(rows)), strict=True):
        row |= made  # in place: SQLAlchemy has no other way to hand them on


def verify(session: Session, head: str | None = None) -> Verified:
    """Walks the whole chain. `head` is a hash noted earlier that should still be in it."""
    columns = [getattr(Audit, name) for name in (*FIELDS, "hash")]
    before, number, count, found = GENESIS, 0, 0, head in (None, GENESIS)
    while True:
        page = select(*columns).where(Audit.id > number).order_by(Audit.id).limit(CHUNK)
        rows = session.execute(page).mappings().all()
        for row in rows:
            if row["hash"] != link(before, dict(row)):
                return Verified(False, count, before, row["id"], None if head is None else found)
            before, number, count = row["hash"], row["id"], count + 1
            found = found or before == head
        if len(rows) < CHUNK:
            return Verified(found, count, before, None, None if head is None else found)
