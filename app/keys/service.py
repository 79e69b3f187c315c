"""API keys: made, listed, withdrawn. The secret itself is never stored."""

from sqlalchemy import Select, event, select, update
from sqlalchemy.orm import Session

from app import auth
from app.auth import Caller
from app.db.tables import Key, now
from app.errors import Conflict, Forbidden, NotFound
from app.keys import schemas

ORDER = Key.id
OPERATOR = "default"  # the workspace of the key made at first start: it opens the others


def _everywhere(caller: Caller) -> bool:
    return caller.workspace == OPERATOR


def create(session: Session, caller: Caller, asked: schemas.KeyRequest) -> tuple[Key, str]:
    """A new key and its secret. Another workspace than one's own is the operator's to open."""
    workspace = asked.workspace or caller.workspace
    if workspace != caller.workspace and not _everywhere(caller):
        raise Forbidden(f"only an admin of {OPERATOR!r} makes keys for another workspace")
    return auth.mint(session, asked.name, asked.role, workspace, created_by=caller.key_id)


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
    return {**own, "state": "active" if row.revoked_at is None else "revoked"}


def get(session: Session, caller: Caller, key_id: str) -> Key:
    found = session.scalars(query(caller).where(Key.id == key_id)).first()
    if found is None:
        raise NotFound(f"there is no key {key_id[:64]!r}")
    return found


def revoke(session: Session, caller: Caller, key_id: str) -> None:
    """Withdraws a key, once; other processes honour it until their memory of it runs out."""
    found = get(session, caller, key_id)
    if found.id == caller.key_id:
        raise Conflict("own_key", "this is the key you are using: revoke it with another one")
    session.execute(
        update(Key).where(Key.id == found.id, Key.revoked_at.is_(None)).values(revoked_at=now())
    )
    event.listen(session, "after_commit", _forget, once=True)


def _forget(_: Session) -> None:
    auth.keyring.forget()
