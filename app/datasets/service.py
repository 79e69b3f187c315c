"""Data sets: received, listed, shown, erased. Their check is the worker's."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from app import discarded, ids, queue
from app.auth import Caller
from app.datasets import schemas
from app.db import lifecycle
from app.db.clock import clock
from app.db.session import writing
from app.db.tables import Dataset, LedgerRow
from app.errors import Conflict, NotFound, Unprocessable
from app.multipart import Form
from app.storage import Files
from models import discovery, pictures
from models.case import Case
from models.findings import Labels
from models.imaging.volumes import deidentified
from models.pack import Pack

ORDER = Dataset.id
LEDGER_ORDER = LedgerRow.position
BURNED_IN = "burned_in_text"  # of a warning: models.imaging.volumes.deidentified


OPTIONAL = ("sha256", "positive")


def given_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields of a form; an optional one left empty, as browsers send it, was not given."""
    return {name: value for name, value in fields.items() if value or name not in OPTIONAL}


def check_fields(fields: Mapping[str, str], *, complete: bool = True) -> None:
    """Raises Unprocessable with a pointer to every field that is missing or wrong.

    With `complete` False a missing field may still be on its way.
    """
    given = given_fields(fields)
    errors: list[dict[str, str]] = []
    try:
        schemas.Upload.model_validate(given)
    except ValidationError as error:
        for found in error.errors():
            if complete or found["type"] != "missing":
                pointer = "#/" + "/".join(str(part) for part in found["loc"])
                errors.append({"pointer": pointer, "detail": found["msg"]})
    if (name := given.get("task")) is not None:
        errors += _task_errors(name, given.get("positive"))
    if errors:
        raise Unprocessable("invalid", "some fields are missing or wrong", errors)


def _task_errors(name: str, positive: str | None) -> list[dict[str, str]]:
    task = discovery.tasks().get(name)
    if task is None:
        known = ", ".join(discovery.tasks())
        return [{"pointer": "#/task", "detail": f"unknown task {name[:64]!r}: use one of {known}"}]
    if positive is not None and task.classes and positive not in task.classes:
        known = ", ".join(task.classes)
        return [{"pointer": "#/positive", "detail": f"use one of the task's classes: {known}"}]
    return []


def accept(form: Form) -> None:
    """Raises Unprocessable unless the form is whole and its archive is what its digest says."""
    check_fields(form.fields)
    if form.file_bytes == 0:
        detail = "the archive is empty"
        raise Unprocessable("invalid", detail, [{"pointer": "#/archive", "detail": detail}])
    said = form.fields.get("sha256")
    if said and said.lower() != form.file_sha256:
        detail = f"the archive received has SHA-256 {form.file_sha256}; send it again"
        errors = [{"pointer": "#/sha256", "detail": detail}]
        raise Unprocessable("checksum_mismatch", detail, errors)


def create(session: Session, caller: Caller, form: Form, upload: str) -> Dataset:
    """Stores the data set of a received archive; its check is rung for after the commit."""
    at = clock(session)
    row = Dataset(
        id=ids.new("ds"),
        workspace=caller.workspace,
        created_by=caller.key_id,
        created_at=at,
        name=form.fields["name"],
        task=form.fields["task"],
        positive=form.fields.get("positive") or discovery.tasks()[form.fields["task"]].positive,
        upload=upload,
        upload_sha256=form.file_sha256,
        state="checking",
        rung_at=at,
        times={"checking": at.isoformat()},
        counts={}, classes={}, splits={}, problems=[], warnings=[],
    )  # fmt: skip
    session.add(row)
    session.flush()
    queue.after_commit(session, "check", row.id)
    return row


def view(row: Dataset) -> schemas.Dataset:
    names = schemas.Dataset.model_fields.keys() - {"deidentification"}
    own = {name: getattr(row, name) for name in names}
    return schemas.Dataset.model_validate({**own, "deidentification": _deidentification(row)})


def _deidentification(row: Dataset) -> dict[str, Any] | None:
    task = discovery.tasks().get(row.task)
    if row.pack is None or task is None or not task.volumes:
        return None
    return deidentified.report(any(said.get("code") == BURNED_IN for said in row.warnings))


def query(workspace: str, task: str | None, state: str | None) -> Select[Dataset]:
    """The data sets of a workspace that have not been deleted."""
    found = select(Dataset).where(Dataset.workspace == workspace, Dataset.state != "deleted")
    if task is not None:
        found = found.where(Dataset.task == task)
    if state is not None:
        found = found.where(Dataset.state == state)
    return found


def get(session: Session, workspace: str, dataset_id: str) -> Dataset:
    found = session.scalars(query(workspace, None, None).where(Dataset.id == dataset_id)).first()
    if found is None:
        raise NotFound(f"there is no data set {dataset_id[:64]!r}")
    return found


def ledger(dataset_id: str, fate: str | None) -> Select[LedgerRow]:
    found = select(LedgerRow).where(LedgerRow.dataset_id == dataset_id)
    return found if fate is None else found.where(LedgerRow.fate == fate)


def check_case(session: Session, row: Dataset, case_id: str) -> None:
    """Raises unless the data set is packed and has the case."""
    if row.pack is None:
        raise Conflict("not_ready", f"data set {row.id} is {row.state}; previews need its pack")
    of_it = LedgerRow.dataset_id == row.id, LedgerRow.case_id == case_id
    if not session.scalar(select(exists().where(*of_it))):
        raise _no_case(row, case_id)


def check_slice(row: Dataset, number: int | None) -> None:
    """Raises where a slice is asked of what has none."""
    if number is not None and not discovery.tasks()[row.task].volumes:
        raise _wrong_slice(f"the cases of data set {row.id} are no volumes: leave `slice` out")


def _wrong_slice(detail: str) -> Unprocessable:
    return Unprocessable("invalid_request", detail, [{"pointer": "query/slice", "detail": detail}])


def _no_case(row: Dataset, case_id: str) -> NotFound:
    return NotFound(f"data set {row.id} has no case {case_id[:64]!r}")


def preview(row: Dataset, case_id: str, files: Files, number: int | None = None) -> bytes:
    """PNG of a packed case with its truth drawn in, classes by name; of a volume, slice `number`.

    Raises Unprocessable naming the slices that there are.
    """
    task = discovery.tasks()[row.task]
    with Pack.open(files.local(row.pack or "")) as pack:
        said = pack.manifest
        labels = Labels(said.classes or task.classes, said.positive, said.mask_values)
        for found in pack.cases():
            if found.case_id == case_id:
                return _drawn(task.read(found), labels, number)
    raise _no_case(row, case_id)


def _drawn(case: Case, labels: Labels, number: int | None) -> bytes:
    if case.volume is None:
        return pictures.case_preview(case, labels)
    try:
        return pictures.volume_preview(case, labels, number)
    except pictures.SliceError as error:
        raise _wrong_slice(str(error)) from error


def delete(workspace: str, dataset_id: str, note: Callable[[Session], None]) -> None:
    """Erases a data set's pack, upload and ledger, unless an active sweep uses it.

    The row is kept, hidden, because the sweeps and models made of it stay readable. Files go
    after the commit: a roll-back must find them.
    """
    with writing() as session:
        row = get(session, workspace, dataset_id)
        names = [name for name in (row.upload, row.pack) if name]
        if not lifecycle.erase_dataset(session, row.id):
            raise Conflict("in_use", f"a sweep still uses data set {row.id}: cancel it first")
        discarded.note(session, names)
        note(session)
