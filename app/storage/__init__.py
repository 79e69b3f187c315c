"""Files by name, in a folder or an S3 bucket, behind one small interface."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from app.settings import settings
from app.storage.folder import Folder, Sink, Tick, quiet
from app.storage.s3 import AwayError, Bucket

__all__ = ["AwayError", "Files", "Sink", "files", "forget", "store"]

log = logging.getLogger(__name__)


class Files(Protocol):
    """Objects by name (`packs/<digest>.zip`), whole or not at all.

    Reading or sizing a name that is not there raises FileNotFoundError; deleting it is no error.
    A store that does not answer raises AwayError. `tick` is called with every chunk copied.
    """

    def put_file(self, name: str, path: Path, tick: Tick = quiet) -> None: ...

    def put_bytes(self, name: str, data: bytes) -> None: ...

    def writer(self, name: str) -> AbstractContextManager[Sink]:
        """A stream to a new object, kept at the end of the block, discarded on an exception."""
        ...

    def get_bytes(self, name: str) -> bytes: ...

    def open(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Chunks of bytes [start, end); a missing name raises at once, not at the first chunk."""
        ...

    def size(self, name: str) -> int: ...

    def exists(self, name: str) -> bool: ...

    def delete(self, name: str) -> None: ...

    def names(self, prefix: str = "") -> Iterator[str]:
        """Names that begin with `prefix`, in order."""
        ...

    def tidy(self) -> None:
        """Removes what writers left that were killed; a bucket keeps no part of an upload."""
        ...

    def local(self, name: str, tick: Tick = quiet) -> Path:
        """A path to read the object at; from S3 it is downloaded once into the scratch folder."""
        ...


def store(url: str, scratch: Path, endpoint: str = "") -> Files:
    """The store of a URL: `file:///folder` or `s3://bucket/prefix`. ValueError for another."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Folder(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return Bucket(parts.netloc, parts.path.strip("/"), scratch / "objects", endpoint)
    raise ValueError(f"storage URL {url!r}: use file:///folder or s3://bucket/prefix")


@cache
def files() -> Files:
    """The store of the settings, made once per process."""
    given = settings()
    return store(given.storage, given.scratch, given.s3_endpoint_url)


def forget(kept: Files, name: str) -> None:
    """Erases what no row points to. A store that is away is only logged: what was asked is done,
    and the broom comes by later.
    """
    try:
        kept.delete(name)
    except OSError:
        log.warning("an unused file could not be erased: %s", name)
