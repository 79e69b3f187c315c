"""Keys, roles and workspaces: who calls, what they may do, how fast."""

import hashlib
import os
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import ids
from app.db.tables import Key

ROLES = ("viewer", "clinician", "researcher", "admin")  # each may do what those before it may
PREFIX = "lt_"
CACHED_S = 3.0  # a revoked key may work for so much longer, in each process
HINT = 8
KNOWN_MAX = 10_000


@dataclass(frozen=True)
class Caller:
    """The key that makes a request."""

    key_id: str
    role: str
    workspace: str

    def may(self, role: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


def digest(secret: str) -> str:
    """SHA-256, hex. A key is 256 random bits, so no slow hash is needed to protect it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def mint(
    session: Session,
    name: str,
    role: str,
    workspace: str,
    secret: str | None = None,
    *,
    created_by: str | None = None,
) -> tuple[Key, str]:
    """Makes a key; the secret is returned once and stored only hashed.

    Raises ValueError for an unknown role.
    """
    if role not in ROLES:
        raise ValueError(f"role {role!r}: use one of {', '.join(ROLES)}")
    secret = secret or PREFIX + secrets.token_urlsafe(32)
    key = Key(
        id=ids.new("key"),
        digest=digest(secret),
        hint=secret[:HINT],
        name=name,
        role=role,
        workspace=workspace,
        created_by=created_by,
    )
    session.add(key)
    session.flush()
    return key, secret


def ensure_admin(session: Session, path: Path, secret: str = "") -> str | None:
    """On first start makes the admin key of workspace `default` and keeps it in `path` (0600).

    Returns the secret if one was made now, None if the file's key (or any admin key) stands.
    """
    kept = path.read_text().strip() if path.exists() else ""
    wanted = secret or kept
    alive = Key.role == "admin", Key.revoked_at.is_(None)
    if wanted:
        if session.scalars(select(Key.id).where(Key.digest == digest(wanted))).first():
            return None
    elif session.scalars(select(Key.id).where(*alive)).first():
        return None
    _, made = mint(session, "admin", "admin", "default", wanted or None)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(made + "\n")
    return made


class Keyring:
    """Keys looked up by digest and remembered for a few seconds.

    The secret itself is never compared: its SHA-256 is looked up, so timing tells nothing of it.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Caller | None]] = {}
        self._lock = threading.Lock()

    def recall(self, found: str) -> tuple[bool, Caller | None]:
        """(known, caller) from memory alone; for use on the event loop."""
        at, caller = self._known.get(found, (float("-inf"), None))
        return time.monotonic() - at < CACHED_S, caller

    def look_up(self, session: Session, found: str) -> Caller | None:
        """The caller of a digest from the database, remembered."""
        key = session.scalars(
            select(Key).where(Key.digest == found, Key.revoked_at.is_(None))
        ).first()
        caller = None
        if key is not None and secrets.compare_digest(key.digest, found):
            caller = Caller(key.id, key.role, key.workspace)
        with self._lock:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[found] = (time.monotonic(), caller)
        return caller

    def forget(self) -> None:
        """Every key is looked up anew: after one was revoked, say."""
        with self._lock:
            self._known.clear()


keyring = Keyring()
