"""What an erasure leaves to be deleted, until it is: objects in the store, caches on each machine.

The names are noted in the transaction that takes the last row away from them, so that a process
killed in between leaves nothing behind: every worker comes by (worker.leftovers).
"""

import logging
import secrets
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, exists, func, or_, select
from sqlalchemy.orm import Session

from app.db.session import reading, writing
from app.db.tables import Dataset, Discarded, Run, now
from app.settings import settings
from app.storage import AwayError, Files
from models.locking import free

KINDS = ("patches", "prefix")  # of caches, each a folder of entries with a lock beside each
ROOM = "erasures"  # folder in the scratch folder where packs are written anew
ABANDONED = timedelta(days=1)
KEPT = timedelta(days=30)  # names are deleted again and again: another machine may have a copy

log = logging.getLogger(__name__)


def note(session: Session, names: Iterable[str]) -> None:
    """These objects are to be deleted once this transaction has committed."""
    for name in set(names):
        session.merge(Discarded(name=name, at=now()))


def ahead(session: Session, name: str) -> None:
    """This object is about to be stored: should no row come to point to it within a day, because
    somebody was killed or was too late, it is deleted.
    """
    session.merge(Discarded(name=name, at=now() + ABANDONED))


def pack_name(dataset_id: str, digest: str) -> str:
    """A name of its own for each time that a pack is stored: equal data have equal digests, and
    deleting the one must not take the other's.
    """
    return f"packs/{dataset_id}-{digest}-{secrets.token_hex(4)}.zip"


def sweep(files: Files, noted_within: timedelta = KEPT) -> None:
    """Deletes what was noted so lately and is not needed after all; what fails is left for the next
    time. Who answers a request looks at the last minutes only: the rest is the workers' to repeat.
    """
    with reading() as session:
        at = now()
        lately = select(Discarded).where(Discarded.at > at - noted_within, Discarded.at <= at)
        noted = session.scalars(lately).all()
        names = [one.name for one in noted if not _needed(session, one)]
    for name in names:
        try:
            files.delete(name)
        except (AwayError, OSError) as error:
            log.warning("a discarded object is left for the next time: %s", type(error).__name__)
    with writing() as session:
        session.execute(delete(Discarded).where(Discarded.at < now() - KEPT))


def _needed(session: Session, one: Discarded) -> bool:
    """Whether a row points to the object."""
    of_runs, of_data = (Run.measures, Run.test_measures), (Dataset.pack, Dataset.upload)
    columns = of_runs if one.name.startswith("measures/") else of_data
    used = or_(*(column == one.name for column in columns))
    return bool(session.scalar(select(exists().where(used))))


def sweep_caches() -> None:
    """Gives up every patch set and prefix cache of this machine that is older than the last
    erasure, unless it is being made: losing one loses nothing, and which data sets they hold
    cannot be told from outside.
    """
    sweep_rooms()
    with reading() as session:
        erased = session.scalar(select(func.max(Dataset.erased_at)))
    if erased is None:
        return
    for kind in KINDS:
        folder = settings().scratch / kind
        for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
            if entry.is_dir() and _made_at(entry) <= erased:
                _unless_locked(entry, _give_up)


def sweep_rooms() -> None:
    """Packs half written by an erasure that was killed."""
    folder = settings().scratch / ROOM
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if _made_at(path) < now() - ABANDONED:
            path.unlink(missing_ok=True)


def _made_at(entry: Path) -> datetime:
    """The oldest file's time: the folder's own is renewed at each use."""
    files = [file for file in entry.rglob("*") if file.is_file()]
    times = [file.stat().st_mtime for file in files] or [entry.stat().st_mtime]
    return datetime.fromtimestamp(min(times), UTC)


def _unless_locked(entry: Path, act: Callable[[Path], None]) -> None:
    """Who makes an entry holds the lock beside it."""
    if entry.suffix == ".gone":
        act(entry)
        return
    with free(entry.with_suffix(".lock")) as held:
        if held:
            act(entry)


def _give_up(entry: Path) -> None:
    """Renamed first, so that nobody finds half of it."""
    gone = entry
    if entry.suffix != ".gone":
        gone = entry.with_name(f"{entry.name}-{secrets.token_hex(4)}.gone")
        entry.replace(gone)
    shutil.rmtree(gone, ignore_errors=True)
