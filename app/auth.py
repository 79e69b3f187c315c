"""Keys, roles and workspaces: who calls, what they may do, how fast."""

import hashlib
import math
import os
import secrets
import threading
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app import ids
from app.db.clock import clock
from app.db.tables import Key, RetiredSecret

ROLES = ("viewer", "clinician", "researcher", "admin")  # each may do what those before it may
OPERATOR = "default"  # the workspace of the key made at first start: it opens the others
PREFIX = "lt_"
CACHED_S = 3.0  # a revoked key may work for so much longer, in each process
HINT = 8
KNOWN_MAX = 10_000
REFUSED = {
    "unknown": "this API key is not known, or was revoked",
    "revoked": "this API key is not known, or was revoked",
    "expired": "this API key has expired: ask an admin for another",
    "replaced": "this API key was replaced by a new one: ask an admin for it",
}


@dataclass(frozen=True)
class Caller:
    """The key that makes a request, and the limits of its own; None: the service's."""

    key_id: str
    role: str
    workspace: str
    rate_per_s: float | None = None
    upload_max_bytes: int | None = None

    def may(self, role: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Refusal:
    """Why a secret opens nothing (a word of REFUSED), and whose it was where that is known."""

    reason: str
    key_id: str | None = None
    workspace: str | None = None


UNKNOWN = Refusal("unknown")


@dataclass(frozen=True)
class Terms:
    """What a key may be given beside its role: an end, and limits of its own."""

    expires_at: datetime | None = None
    rate_per_s: float | None = None
    upload_max_bytes: int | None = None


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
    terms: Terms = Terms(),
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
        **asdict(terms),
    )
    session.add(key)
    session.flush()
    return key, secret


def rotate(session: Session, key: Key, grace_s: float) -> str:
    """Gives a key a new secret. The present one opens it for `grace_s` more; older ones end now."""
    at = clock(session)
    live = RetiredSecret.key_id == key.id, RetiredSecret.until > at
    session.execute(update(RetiredSecret).where(*live).values(until=at))
    session.add(
        RetiredSecret(digest=key.digest, key_id=key.id, until=at + timedelta(seconds=grace_s))
    )
    secret = PREFIX + secrets.token_urlsafe(32)
    key.digest, key.hint, key.rotated_at = digest(secret), secret[:HINT], at
    session.flush()
    return secret


def _ever_known(session: Session, secret: str) -> bool:
    """Whether a secret is, or was before a rotation, that of a key."""
    found = digest(secret)
    asked = (
        select(Key.id).where(Key.digest == found),
        select(RetiredSecret.key_id).where(RetiredSecret.digest == found),
    )
    return any(session.scalars(query).first() is not None for query in asked)


def ensure_admin(session: Session, path: Path, secret: str = "") -> str | None:
    """On first start makes the admin key of workspace `default` and keeps it in `path` (0600).

    Returns the secret if one was made now, None if the file's key (or any admin key) stands.
    """
    kept = path.read_text().strip() if path.exists() else ""
    wanted = secret or kept
    lasting = or_(Key.expires_at.is_(None), Key.expires_at > clock(session))
    alive = Key.role == "admin", Key.revoked_at.is_(None), lasting
    if wanted:
        if _ever_known(session, wanted):
            return None
    elif session.scalars(select(Key.id).where(*alive)).first():
        return None
    _, made = mint(session, "admin", "admin", OPERATOR, wanted or None)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(made + "\n")
    return made


@dataclass(frozen=True)
class _Known:
    """What the database said of a digest: `at` and `ends` by the monotonic clock."""

    at: float
    ends: float
    found: Caller | Refusal


class Keyring:
    """Keys looked up by digest and remembered for a few seconds.

    The secret itself is never compared: its SHA-256 is looked up, so timing tells nothing of it.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def recall(self, found: str) -> tuple[bool, Caller | None]:
        """(known, caller) from memory alone; for use on the event loop."""
        known = self._known.get(found)
        at = time.monotonic()
        if known is None or at - known.at >= CACHED_S or at >= known.ends:
            return False, None
        return True, known.found if isinstance(known.found, Caller) else None

    def refusal(self, found: str) -> Refusal:
        """Why a digest that was just looked up opens nothing."""
        known = self._known.get(found)
        return known.found if known and isinstance(known.found, Refusal) else UNKNOWN

    def look_up(self, session: Session, found: str) -> Caller | None:
        """The caller of a digest from the database, remembered."""
        said, left_s = _judged(session, found)
        at = time.monotonic()
        with self._lock:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[found] = _Known(at, at + left_s, said)
        return said if isinstance(said, Caller) else None

    def forget(self) -> None:
        """Every key is looked up anew: after one was revoked, say."""
        with self._lock:
            self._known.clear()


def _judged(session: Session, found: str) -> tuple[Caller | Refusal, float]:
    """Who a digest is, or why nobody; and for how many seconds that holds at most."""
    key, until = _key_of(session, found)
    if key is None:
        return UNKNOWN, math.inf
    if key.revoked_at is not None:
        return Refusal("revoked", key.id, key.workspace), math.inf
    at = clock(session)
    if key.expires_at is not None and key.expires_at <= at:
        return Refusal("expired", key.id, key.workspace), math.inf
    if until is not None and until <= at:
        return Refusal("replaced", key.id, key.workspace), math.inf
    ends = [moment for moment in (key.expires_at, until) if moment is not None]
    left_s = min(((moment - at).total_seconds() for moment in ends), default=math.inf)
    limits = key.rate_per_s, key.upload_max_bytes
    return Caller(key.id, key.role, key.workspace, *limits), left_s


def _key_of(session: Session, found: str) -> tuple[Key | None, datetime | None]:
    """The key of a digest, and until when where it is a secret that was replaced."""
    key = session.scalars(select(Key).where(Key.digest == found)).first()
    if key is not None:
        return (key if secrets.compare_digest(key.digest, found) else None), None
    retired = session.get(RetiredSecret, found)
    if retired is None or not secrets.compare_digest(retired.digest, found):
        return None, None
    return session.get_one(Key, retired.key_id), retired.until


keyring = Keyring()
