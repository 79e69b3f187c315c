"""`python -m worker.check DATASET`: examines one upload and packs it, in a process of its own.

Decoders of strange images crash and eat memory; here they take nobody with them, and no more of it
than they may.
"""

import errno
import logging
import resource
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from app import discarded
from app.db import lifecycle
from app.db.lifecycle import LeaseLostError
from app.db.session import writing
from app.db.tables import Dataset, LedgerRow
from app.settings import settings
from app.storage import AwayError, files
from models.discovery import tasks
from models.ingest import Limits, ingest
from models.ledger import LedgerEntry, RejectedError, rejected, tally
from models.pack import Manifest
from models.shortage import full_disk, out_of_memory
from worker.alive import (
    UNHURRIED,
    InterruptedWork,
    Lease,
    patiently,
    put_off,
    wait_for_room,
)
from worker.failures import failure_of
from worker.leftovers import folder_for
from worker.tether import Tether, tie

log = logging.getLogger(__name__)

MISSING = "the upload is not in the file store, as after a backup was restored: send it again"
EATEN = (
    "the check needs more memory than it may take: divide the data set, make its largest files "
    "smaller, or raise LAYERTUNE_CHECK_MEMORY_BYTES"
)


def main() -> int:
    tether = tie("check")
    bound()
    with writing() as session:
        attempt = lifecycle.claim(session, Dataset, tether.row_id, tether.owner, settings().lease_s)
    if attempt is None:
        return 0  # another has it, or it is done
    try:
        check(tether, attempt)
    except LeaseLostError:
        log.warning("%s: another has taken it", tether.row_id)
    except InterruptedWork:
        give_back(lambda s: lifecycle.release(s, Dataset, tether.row_id, attempt))
    except AwayError as error:
        log.warning("%s: %s; it waits", tether.row_id, error)
        give_back(lambda s: put_off(s, Dataset, tether.row_id, attempt))
    except OSError as error:
        if not full_disk(error):
            raise
        log.warning("%s: the disk is full; it waits", tether.row_id)
        give_back(lambda s: wait_for_room(s, Dataset, tether.row_id, attempt))
    return 0


def bound() -> None:
    """No more memory than now and what the setting gives. The soft limit alone: what decodes a
    volume in a cell below this process has another of its own.
    """
    most = psutil.Process().memory_info().vms + settings().check_memory_bytes
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or most < hard:
        with suppress(OSError, ValueError):  # not every system has this limit
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def unbound() -> None:
    """Room for the last words."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def give_back(act: Callable[[Session], None]) -> None:
    with suppress(LeaseLostError):
        patiently(act)


def check(tether: Tether, attempt: int) -> None:
    """From the uploaded archive to a pack, or to the reasons why not."""
    with writing() as session:
        dataset = session.get_one(Dataset, tether.row_id)
    lease = Lease(
        Dataset, dataset.id, attempt, tether.stop,
        lost_before=dataset.lost_workers + dataset.losses, unhurried=UNHURRIED,
    )  # fmt: skip
    folder = folder_for("checks", lease)
    try:
        examine(dataset, attempt, lease, folder / "pack.zip")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def examine(dataset: Dataset, attempt: int, lease: Lease, out: Path) -> None:
    try:
        manifest, ledger = ingest(
            upload_of(dataset, lease), tasks()[dataset.task], out,
            positive=dataset.positive, limits=limits(), tick=lease.tick,
        )  # fmt: skip
    except RejectedError as error:
        refuse(dataset, attempt, error.problems, error.ledger)
        return
    except (InterruptedWork, LeaseLostError, AwayError):
        raise
    except Exception as error:
        if full_disk(error):
            raise OSError(errno.ENOSPC, "no space is left on the disk") from error
        if out_of_memory(error):
            unbound()
            log.warning("%s: out of memory", dataset.id)
            refuse(dataset, attempt, [{"file": None, "code": "out_of_memory", "detail": EATEN}], [])
            return
        # The edge where an exception becomes a word (DESIGN: typed failures); the trace stays
        # in the log, its digest is what a user can report.
        log.exception("%s: the check failed", dataset.id)
        failure = failure_of(error)
        problem = {"file": None, **failure}
        refuse(dataset, attempt, [problem], [], failure=dict(failure))
        return
    accept(dataset, attempt, lease, out, manifest, ledger)


def upload_of(dataset: Dataset, lease: Lease) -> Path:
    try:
        return files().local(dataset.upload, lease.tick)
    except FileNotFoundError as error:
        raise rejected("upload_missing", MISSING) from error


def limits() -> Limits:
    given = settings()
    return Limits(
        member_max_bytes=given.member_max_bytes,
        unpacked_max_bytes=given.unpacked_max_bytes,
        members_max=given.members_max,
        image_max_pixels=given.image_max_pixels,
    )


def accept(
    dataset: Dataset, attempt: int, lease: Lease, pack: Path, manifest: Manifest,
    ledger: Sequence[LedgerEntry],
) -> None:  # fmt: skip
    """Stores the pack, then tells the table in one transaction; the upload has done its duty."""
    name = discarded.pack_name(dataset.id, manifest.digest)
    patiently(lambda session: discarded.ahead(session, name))
    files().put_file(name, pack, lease.tick)
    lease.tick()

    def record(session: Session) -> None:
        _write_ledger(session, dataset.id, ledger)
        lifecycle.end(
            session, Dataset, dataset.id, attempt, "ready",
            digest=manifest.digest, pack=name, layout=manifest.layout,
            positive=manifest.positive, counts=dict(manifest.counts),
            classes=dict(manifest.class_counts), splits=dict(manifest.splits),
            problems=[dict(row) for row in manifest.problems],
            warnings=[dict(row) for row in manifest.warnings],
        )  # fmt: skip

    patiently(record)
    files().delete(dataset.upload)


def refuse(
    dataset: Dataset,
    attempt: int,
    problems: Sequence[dict[str, str | None]],
    ledger: Sequence[LedgerEntry],
    failure: dict[str, str | None] | None = None,
) -> None:
    """The upload cannot be used: the reasons are kept, the archive is not."""
    first = problems[0] if problems else {"code": "bad_data", "detail": "unusable upload"}
    why = failure or {"code": first["code"], "detail": first["detail"]}
    came, left_out = tally(ledger)

    def record(session: Session) -> None:
        _write_ledger(session, dataset.id, ledger)
        lifecycle.end(
            session, Dataset, dataset.id, attempt, "rejected", failure=why,
            problems=list(problems),
            counts={"files": came, "cases": 0, "subjects": 0, "excluded": left_out},
        )  # fmt: skip

    patiently(record)
    files().delete(dataset.upload)


def _write_ledger(session: Session, dataset_id: str, ledger: Sequence[LedgerEntry]) -> None:
    session.execute(delete(LedgerRow).where(LedgerRow.dataset_id == dataset_id))
    rows = [
        {"dataset_id": dataset_id, "position": position, **vars(entry)}
        for position, entry in enumerate(ledger)
    ]
    if rows:
        session.execute(insert(LedgerRow), rows)


if __name__ == "__main__":
    sys.exit(main())
