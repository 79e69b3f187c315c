"""Idempotency keys: the same key with the same body gets the first reply again."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.auth import Caller
from app.db.clock import clock
from app.db.tables import Idempotency
from app.errors import Conflict, Unprocessable

KEPT = timedelta(days=7)  # longer than any client that lost a reply goes on asking for it


@dataclass(frozen=True)
class Asked:
    """What was asked: by whom, on which route (its operationId), under which key and body."""

    caller: Caller
    route: str
    key: str | None
    body_sha256: str

    @property
    def primary_key(self) -> dict[str, str]:
        return {"workspace": self.caller.workspace, "route": self.route, "key": self.key or ""}


@dataclass(frozen=True)
class Replayed:
    """The first reply, to be given again."""

    status: int
    location: str | None
    body: dict[str, Any]


def replay(session: Session, asked: Asked) -> Replayed | None:
    """The reply already given, or None. Another body under the same key is 422."""
    kept = session.get(Idempotency, asked.primary_key) if asked.key else None
    if kept is None:
        return None
    if kept.body_sha256 != asked.body_sha256:
        raise Unprocessable(
            "idempotency_key_reused",
            "this Idempotency-Key came with another body before: use a new key",
            [{"pointer": "header/Idempotency-Key", "detail": "already used"}],
        )
    return Replayed(kept.status, kept.location, kept.reply)


def remember(
    session: Session, asked: Asked, status: int, body: dict[str, Any], location: str | None = None
) -> None:
    """Keeps the reply, in the transaction that did the work. `body` is JSON as it is sent.

    Two at once under one key: the second fails here (409, retryable) and its work is undone.
    """
    if not asked.key:
        return
    session.add(
        Idempotency(
            **asked.primary_key,
            body_sha256=asked.body_sha256,
            status=status,
            location=location,
            reply=body,
        )
    )
    try:
        session.flush()
    except IntegrityError as error:
        raise Conflict(
            "idempotency_key_in_use",
            "a request with this Idempotency-Key is being answered: try again",
            retryable=True,
        ) from error


def forget(session: Session) -> None:
    """Replies older than KEPT: their keys are free again."""
    session.execute(delete(Idempotency).where(Idempotency.created_at < clock(session) - KEPT))
