"""Long work in a worker's hands: its claim, the folder it works in, and the files it leaves."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.db.tables import Json
from app.errors import Unprocessable
from app.predictions.answering import Asked
from app.predictions.progress import Progress
from app.predictions.records import output_name
from app.settings import settings
from app.storage import files

CHUNK = 1 << 20

Tick = Callable[[], object]


@dataclass(frozen=True)
class Claim:
    """A video or a volume in a worker's hands: `tick` keeps the claim, `progress` tells how far it
    is.
    """

    asked: Asked
    attempt: int
    tick: Tick
    progress: Progress


@contextmanager
def folder(claim: Claim, kind: str) -> Iterator[Path]:
    """Where this attempt works; its name says when it is of no use any more (worker.leftovers)."""
    made = settings().scratch / f"{kind}s" / f"{claim.asked.id}-{claim.attempt}"
    made.mkdir(parents=True, exist_ok=True)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def stored(claim: Claim, name: str, path: Path) -> Json:
    """A file kept beside the reply, as the column `outputs` has it."""
    claim.progress.tell("storing", 0)
    kept = output_name(claim.asked.id, claim.attempt, name)
    files().put_file(kept, path, claim.tick)
    return {"object": kept, "sha256": sha256(path, claim.tick), "bytes": path.stat().st_size}


def sha256(path: Path, tick: Tick) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
            tick()
    return found.hexdigest()


def refused(code: str, detail: str) -> Unprocessable:
    """The problem of a file that cannot be answered for."""
    return Unprocessable(code, detail, [{"pointer": "#/file", "detail": f"{code}: {detail}"}])
