"""What killed attempts leave behind, swept away, and what has had its time: folders here, objects
in the store, replies kept to be given again.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import discarded, idempotency, ids, pids
from app.db.lifecycle import BUSY, ENDED, Work
from app.db.session import reading, writing
from app.db.tables import Dataset, Finish, Prediction, Registration, Run, now
from app.settings import settings
from app.storage import AwayError, files
from worker.alive import Lease
from worker.children import stopping, untidy

log = logging.getLogger(__name__)

EVERY_S = 3600.0
FOLDERS_EVERY_S = 30.0  # a lost attempt may have been judged so by another machine than its own
UNSEEN_S = 86_400.0
YOUNG = timedelta(days=1)  # an upload without a row may still be on its way
KINDS: dict[str, tuple[Work, ...]] = {  # folder in the scratch folder -> whose attempts work there
    "checks": (Dataset,),
    "runs": (Run,),
    "finishes": (Finish, Registration),
    "videos": (Prediction,),
    "volumes": (Prediction,),
}


def folder_for(kind: str, lease: Lease) -> Path:
    """Where an attempt works; no two share it, and its name says when it is of no use any more."""
    return settings().scratch / kind / f"{lease.row_id}-{lease.attempt}"


class Broom(threading.Thread):
    """Sweeps at the start of a worker and whenever work was lost; folders and checkpoints every
    half minute, all objects every hour.
    """

    def __init__(self, objects: bool) -> None:
        super().__init__(name="broom", daemon=True)
        self.objects = objects

    def run(self) -> None:
        hour_began = float("-inf")
        while True:
            lost = untidy.is_set()
            untidy.clear()
            try:
                sweep_folders()
                if self.objects:
                    files().tidy()
                    sweep_checkpoints()
                if lost or time.monotonic() - hour_began > EVERY_S:
                    hour_began = time.monotonic()
                    self.sweep_all()
            except (SQLAlchemyError, AwayError, OSError) as error:
                log.warning("leftovers are left for the next time: %s", type(error).__name__)
            except Exception:  # tidying must never be what ends, unnoticed, for good
                log.exception("leftovers are left for the next time")
            untidy.wait(FOLDERS_EVERY_S)
            if stopping.is_set():
                return

    def sweep_all(self) -> None:
        discarded.sweep_caches()
        discarded.sweep(files())  # here too may lie copies of what another erased
        if self.objects:
            sweep_objects()
            with writing() as session:
                idempotency.forget(session)
                forget_findings(session)


def sweep_folders() -> None:
    """Folders of attempts that are over, on this machine; volumes nobody looks at; pid files that
    name no process.
    """
    for kind, tables in KINDS.items():
        for folder in _inside(settings().scratch / kind):
            row_id, _, attempt = folder.name.rpartition("-")
            with reading() as session:
                at_work = any(_at_work(session, table, row_id, attempt) for table in tables)
            if not at_work:
                log.info("swept %s", folder.name)
                shutil.rmtree(folder, ignore_errors=True)
    for path in _inside(settings().scratch / "shown"):  # volumes unpacked to show their slices
        if time.time() - path.stat().st_mtime > UNSEEN_S:
            path.unlink(missing_ok=True)
    for _ in pids.left_behind("worker-"):
        pass


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _at_work(session: Session, table: Work, row_id: str, attempt: str) -> bool:
    where = table.id == row_id, table.state == BUSY[table], table.lease_owner.is_not(None)
    return str(session.scalar(select(table.attempt).where(*where))) == attempt


def sweep_objects() -> None:
    """Objects that no row needs: uploads once checked, inputs once answered, pictures and films of
    predictions once they are old, checkpoints of runs that have ended.
    """
    for prefix, needed in (
        ("uploads/", _upload_needed),
        ("inputs/", _input_needed),
        ("outputs/", _output_needed),
    ):
        _sweep(prefix, needed)


def forget_findings(session: Session) -> None:
    """Predictions that have had their time, where one is set; their objects go with the next sweep
    of these.
    """
    kept = settings().findings_kept_s
    if kept:
        old = Prediction.created_at < now() - timedelta(seconds=kept)
        session.execute(delete(Prediction).where(Prediction.state.in_(ENDED), old))


def sweep_checkpoints() -> None:
    """Those of runs that have ended: who cancels a hundred sweeps must not fill the disk."""
    _sweep("checkpoints/", _checkpoint_needed)


def _sweep(prefix: str, needed: Callable[[Session, str], bool]) -> None:
    for name in _unneeded(prefix, needed):
        log.info("swept %s", name)
        files().delete(name)


def _unneeded(prefix: str, needed: Callable[[Session, str], bool]) -> Iterator[str]:
    for name in list(files().names(prefix)):
        with reading() as session:
            if not needed(session, name):
                yield name


def _young(name: str) -> bool:
    return now() - ids.made_at(name.split("/")[1]) < YOUNG


def _upload_needed(session: Session, name: str) -> bool:
    state = session.scalar(select(Dataset.state).where(Dataset.upload == name))
    return _young(name) if state is None else state == "checking"


def _input_needed(session: Session, name: str) -> bool:
    waits = select(Prediction.id).where(
        Prediction.id == name.split("/")[1], Prediction.state.in_(("queued", "running"))
    )
    return _young(name) or session.scalar(waits) is not None


def _output_needed(session: Session, name: str) -> bool:
    """What the row points to, as long as it is kept; of a row in work what its attempt has stored
    so far, however long it had waited; and what is young.
    """
    _, row_id, attempt, *_ = name.split("/")
    row = session.get(Prediction, row_id)
    if row is None or row.state not in ENDED:
        return _young(name) or (row is not None and attempt == str(row.attempt))
    kept = timedelta(seconds=settings().outputs_kept_s)
    named = {facts["object"] for facts in (row.outputs or {}).values()}
    return name in named and now() - row.created_at < kept


def _checkpoint_needed(session: Session, name: str) -> bool:
    state = session.scalar(select(Run.state).where(Run.id == name.split("/")[1]))
    return state is not None and state not in ENDED
