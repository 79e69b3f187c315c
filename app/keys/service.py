"""API keys: made, listed, rotated, withdrawn. The secret itself is never stored."""

from sqlalchemy import Select, event, select, update
from sqlalchemy.orm import Session

from app import auth
from app.auth import OPERATOR, Caller, Terms
from app.db.clock import clock
from app.db.tables import Key, now
from app.errors import Conflict, Forbidden, NotFound
from app.keys import schemas

ORDER = Key.id


def _everywhere(caller: Caller) -> bool:
    return caller.workspace == OPERATOR


def create(session: Session, caller: Caller, asked: schemas.KeyRequest) -> tuple[Key, str]:
    """A new key and its secret. Another workspace than one's own is the operator's to open."""
    workspace = asked.workspace or caller.workspace
    if workspace != caller.workspace and not _everywhere(caller):
        raise Forbidden(f"only an admin of {OPERATOR!r} makes keys for another workspace")
    terms = Terms(asked.expires_at, asked.rate_per_s, asked.upload_max_bytes)
    return auth.mint(
        session, asked.name, asked.role, workspace, created_by=caller.key_id, terms=terms
    )


def query(caller: Caller) -> Select[Key]:
    """The keys a caller may see: those of its workspace; the operator's admin sees all."""
    return (
        select(Key) if _everywhere(caller) else select(Key).where(Key.workspace == caller.workspace)
    )


def view(row: Key) -> schemas.Key:
    return schemas.Key(**_fields(row))


def view_new(row: Key, secret: str | None) -> schemas.NewKey:
    return schemas.NewKey(**_fields(row), key=secret)


def _fields(row: Key) -> dict[str, object]:
    own = {name: getattr(row, name) for name in schemas.Key.model_fields if name != "state"}
    return {**own, "state": _state(row)}


def _state(row: Key) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now() else "active"


def get(session: Session, caller: Caller, key_id: str) -> Key:
    found = session.scalars(query(caller).where(Key.id == key_id)).first()
    if found is None:
        raise _missing(key_id)
    return found


def revoke(session: Session, caller: Caller, key_id: str) -> None:
    """Withdraws a key, once; other processes honour it until their memory of it runs out."""
    found = get(session, caller, key_id)
    if found.id == caller.key_id:
        raise Conflict("own_key", "this is the key you are using: revoke it with another one")
    session.execute(
        update(Key)
        .where(Key.id == found.id, Key.revoked_at.is_(None))
        .values(revoked_at=clock(session))
    )
    event.listen(session, "after_commit", _forget, once=True)


def rotate(
    session: Session, caller: Caller, key_id: str, asked: schemas.RotationRequest
) -> tuple[Key, str]:
    """A key with a new secret. The row is locked: of two at once, the last one's stands."""
    asked_for = query(caller).where(Key.id == key_id).with_for_update()
    found = session.scalars(asked_for.execution_options(populate_existing=True)).first()
    if found is None:
        raise _missing(key_id)
    if asked.expires_at is not None:
        found.expires_at = asked.expires_at
    if (state := _state(found)) != "active":
        way_out = "give expires_at" if state == "expired" else "make another key"
        raise Conflict(f"key_{state}", f"key {found.id} is {state}: {way_out}")
    secret = auth.rotate(session, found, asked.grace_s)
    event.listen(session, "after_commit", _forget, once=True)
    return found, secret


def _missing(key_id: str) -> NotFound:
    return NotFound(f"there is no key {key_id[:64]!r}")


def _forget(_: Session) -> None:
    auth.keyring.forget()
