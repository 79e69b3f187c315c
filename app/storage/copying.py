"""One store copied to another: the backup of a bucket, and its way back (docs/promises.md)."""

from contextlib import suppress

from app.settings import settings
from app.storage import Files, store
from app.storage.folder import Tick, copied, quiet


def copy(source: Files, target: Files, tick: Tick = quiet) -> tuple[int, int]:
    """Copies what `target` lacks; how many objects that were, and their bytes.

    Objects never change under their name, so one of the same size is there already. Nothing is
    deleted from `target`; what is deleted from `source` meanwhile is not copied.
    """
    count, total = 0, 0
    for name in source.names():
        with suppress(FileNotFoundError):
            size = source.size(name)
            if target.exists(name) and target.size(name) == size:
                continue
            with target.writer(name) as sink:
                copied(source.open(name), sink, tick)
            count, total = count + 1, total + size
    return count, total


def between(source: str, target: str) -> tuple[int, int]:
    """`copy` by the stores' URLs. Raises ValueError for what is none, AwayError for one that does
    not answer.
    """
    given = settings()
    here, there = (store(url, given.scratch, given.s3_endpoint_url) for url in (source, target))
    return copy(here, there)
