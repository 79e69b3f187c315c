"""Keyed hashes that stand for names: the same name, the same hash, and no way back without the key.

A plain hash of a patient's number is found by trying all numbers; with a key that only this service
has it is not.
"""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from app.settings import settings

LENGTH = 16  # hex digits: 64 bits, enough to tell the subjects of a service apart
KEY_BYTES = 32


def key() -> bytes:
    """The service's secret: the setting, else a file made at the first use (0600)."""
    given = settings().pseudonym_key
    return (given or _kept(settings().var / "pseudonym.key")).encode()


def _kept(path: Path) -> str:
    """The file's secret. Of several processes that make it at once, one wins and all read it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(part, path)
        finally:
            part.unlink(missing_ok=True)
    return path.read_text().strip()


def pseudonym(name: str, of: str = "subject") -> str:
    """The keyed hash of a name; `of` keeps those of different things apart."""
    made = hmac.new(key(), f"{of}\n{name}".encode(), hashlib.sha256)
    return made.hexdigest()[:LENGTH]
