"""A subject erased from a data set: from its pack, ledger, previews, outputs of runs and caches."""

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import discarded
from app.datasets import schemas
from app.datasets.service import get
from app.db import lifecycle
from app.db.session import forget_deleted, reading, writing
from app.db.tables import Dataset, Json, LedgerRow, Model, Run, Sweep, now
from app.errors import Conflict, DiskFull, NotFound
from app.pseudonyms import pseudonym
from app.settings import settings
from app.storage import Files
from models.erasing import LastSubjectError, measures_without, without_subject
from models.pack import Manifest
from models.shortage import full_disk

OUTPUTS = ("measures", "test_measures")  # columns of a run that name such a file
JUST_NOW = timedelta(minutes=10)  # what this request has noted, and its neighbours
FULL = "a pack is written anew beside the old one, and there is no room for it: nothing was erased"
LAST = "no other subject is in this data set: delete the data set itself"

log = logging.getLogger(__name__)
Note = Callable[[Session, str], None]  # audits, by the name of what was erased


@dataclass(frozen=True)
class Found:
    """What holds the subject: its lines of the ledger, and the runs that measured its cases."""

    dataset: Dataset
    lines: Sequence[LedgerRow]
    runs: Sequence[Run]

    @property
    def files(self) -> list[str]:
        return [line.file for line in self.lines]


@dataclass(frozen=True)
class Prepared:
    """Objects stored anew without the subject; rows point to them from the commit on."""

    manifest: Manifest | None
    pack: str | None
    outputs: dict[tuple[str, str], str]  # (run, column) -> object


def erase_subject(
    workspace: str, dataset_id: str, subject: str, files: Files, note: Note
) -> schemas.Erasure:
    """Erases a subject and says which models were made with it; they are not changed.

    New objects are stored first, then one transaction lets the rows point to them and notes the
    old ones for deletion, so a kill at any moment leaves either the state before or that after.
    Raises NotFound, or Conflict while a sweep needs the data set.
    """
    with reading() as session:
        found = _found(session, workspace, dataset_id, subject)
    made = _prepared(found, subject, files)
    known_as = pseudonym(subject)
    with writing() as session:
        _point(session, found, subject, made)
        note(session, f"{dataset_id}/subjects/{known_as}")
        answer = _answer(session, found, subject, known_as, made)
    clean(files)
    return answer


def clean(files: Files) -> None:
    """Deletes at once what was noted, here; other machines follow, and so does what fails."""
    try:
        discarded.sweep(files, JUST_NOW)
        discarded.sweep_caches()
        forget_deleted()
    except (SQLAlchemyError, OSError) as error:
        log.warning("what was erased is left to the workers: %s", type(error).__name__)


def _found(session: Session, workspace: str, dataset_id: str, subject: str) -> Found:
    row = get(session, workspace, dataset_id)
    if row.state == "checking":
        raise Conflict("not_ready", f"data set {row.id} is being checked: erase when that is over")
    of_it = LedgerRow.dataset_id == row.id, LedgerRow.subject == subject
    lines = session.scalars(select(LedgerRow).where(*of_it)).all()
    if not lines:
        raise NotFound(f"data set {row.id} has no such subject; its ledger names those it has")
    runs = select(Run).join(Sweep, Sweep.id == Run.sweep_id).where(Sweep.dataset_id == row.id)
    return Found(row, lines, session.scalars(runs).all())


def _prepared(found: Found, subject: str, files: Files) -> Prepared:
    outputs: dict[tuple[str, str], str] = {}
    for run in found.runs:
        for column in OUTPUTS:
            name = getattr(run, column)
            there = name is not None and files.exists(name)
            content = measures_without(files.get_bytes(name), subject) if there else None
            if content is not None:
                digest = hashlib.sha256(content).hexdigest()
                start = f"measures/{run.id}{'-test' if column == 'test_measures' else ''}"
                outputs[run.id, column] = f"{start}-{digest}.json"
                _ahead(outputs[run.id, column])
                files.put_bytes(outputs[run.id, column], content)
    if found.dataset.pack is None:
        return Prepared(None, None, outputs)
    try:
        manifest, name = _pack_anew(found.dataset.pack, found, subject, files)
    except LastSubjectError as error:
        raise Conflict("last_subject", LAST) from error
    except OSError as error:
        if full_disk(error):
            raise DiskFull(FULL) from error
        raise
    return Prepared(manifest, name, outputs)


def _pack_anew(pack: str, found: Found, subject: str, files: Files) -> tuple[Manifest, str]:
    """Streams the pack to another one, a member at a time; about ten seconds for each GiB."""
    with _room() as path:
        manifest = without_subject(files.local(pack), subject, found.files, path)
        name = discarded.pack_name(found.dataset.id, manifest.digest)
        _ahead(name)
        files.put_file(name, path)
    return manifest, name


def _ahead(name: str) -> None:
    with writing() as session:
        discarded.ahead(session, name)


@contextmanager
def _room() -> Iterator[Path]:
    folder = settings().scratch / discarded.ROOM
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{secrets.token_hex(16)}.zip"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _point(session: Session, found: Found, subject: str, made: Prepared) -> None:
    """Every row to the new objects, the old ones noted for deletion; or Conflict, and nothing."""
    row = found.dataset
    if not lifecycle.replace_pack(session, row.id, row.pack, _facts(found, made)):
        raise Conflict(
            "in_use", f"a sweep uses data set {row.id}, or it has just changed: try again after it",
            retryable=True,
        )  # fmt: skip
    old = [name for name in (row.pack, row.upload) if name and name != made.pack]
    by_id = {run.id: run for run in found.runs}
    for (run_id, column), name in made.outputs.items():
        session.execute(update(Run).where(Run.id == run_id).values({column: name}))
        old.append(getattr(by_id[run_id], column))
    session.execute(
        delete(LedgerRow).where(LedgerRow.dataset_id == row.id, LedgerRow.subject == subject)
    )
    discarded.note(session, old)


def _facts(found: Found, made: Prepared) -> Json:
    row, manifest = found.dataset, made.manifest
    if manifest is None:  # a rejected upload: no pack, a ledger all the same
        problems = [one for one in row.problems if one.get("file") not in found.files]
        return {"problems": problems}
    remark: Json = {
        "code": "subject_erased",
        "detail": f"a subject was erased on {now().date()}; the data set's digest was "
        f"{row.digest} before",
    }
    return {
        "pack": made.pack,
        "digest": manifest.digest,
        "counts": dict(manifest.counts),
        "classes": dict(manifest.class_counts),
        "splits": dict(manifest.splits),
        "problems": [dict(one) for one in manifest.problems],
        "warnings": [*(dict(one) for one in manifest.warnings), *_earlier(row), remark],
    }


def _earlier(row: Dataset) -> list[Any]:
    """What earlier erasures left said; the pack's manifest does not know of them."""
    return [one for one in row.warnings if one.get("code") == "subject_erased"]


def _answer(
    session: Session, found: Found, subject: str, known_as: str, made: Prepared
) -> schemas.Erasure:
    row = found.dataset
    used = {line.case_id: line.split for line in found.lines if line.case_id}
    elsewhere = (
        select(LedgerRow.dataset_id)
        .join(Dataset, Dataset.id == LedgerRow.dataset_id)
        .where(Dataset.workspace == row.workspace, Dataset.state != "deleted")
        .where(LedgerRow.subject == subject, Dataset.id != row.id)
        .distinct()
    )
    return schemas.Erasure(
        subject=known_as,
        dataset_id=row.id,
        files=len(found.lines),
        cases=len(used),
        parts=sorted({split for split in used.values() if split}),
        digest_before=row.digest,
        digest=made.manifest.digest if made.manifest else row.digest,
        runs=sorted({run_id for run_id, _ in made.outputs}),
        models=models_made_with(session, row.id),
        also_in=sorted(session.scalars(elsewhere)),
    )


def models_made_with(session: Session, dataset_id: str) -> list[str]:
    """The models tuned on a data set, and those that continue from one of them."""
    made: set[str] = set()
    of_data = select(Model.id).join(Sweep, Sweep.id == Model.sweep_id)
    new = set(session.scalars(of_data.where(Sweep.dataset_id == dataset_id)))
    while new - made:
        made |= new
        new = set(session.scalars(of_data.where(or_(Sweep.init.in_(made)))))
    return sorted(made)
