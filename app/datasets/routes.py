"""Data sets over HTTP."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from app import idempotency, ids
from app.answers import again, created, problems
from app.datasets import erasure, schemas, service
from app.db.session import writing
from app.deps import (
    Caller,
    Cursor,
    FilesDep,
    IdempotencyKey,
    Limit,
    ReadSession,
    Researcher,
    Viewer,
    record,
)
from app.disk import check_floor
from app.idempotency import Asked
from app.multipart import Form, Wanted, check_head, receive
from app.pages import page
from app.replies import matches, respond
from app.settings import settings
from app.storage import forget

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

Id = Annotated[str, Path(max_length=64, description="`ds_…`")]
Slice = Annotated[
    int | None,
    Query(
        alias="slice",
        ge=0,
        le=100_000,
        description="Of a volume: which slice is shown, counted from 0 along its own z axis as "
        "`centre_voxel` counts (DICOM: from foot to head where slices are axial; NIfTI: the "
        "file's k), however the picture is turned; default: the slice with most of the truth, "
        "else the middle one. Refused for data sets of images",
    ),
]
Subject = Annotated[str, Path(max_length=1000, description="As the ledger names it")]
MISSING = {(404, "not_found"): "there is no data set 'ds_01k9'"}
CREATE = "create_dataset"


@router.post(
    "",
    operation_id=CREATE,
    status_code=202,
    response_model=schemas.Dataset,
    openapi_extra=schemas.FORM,
    responses=problems(
        {
            (400, "malformed_form"): "the multipart body is broken or ends too early",
            (413, "too_large"): "archive is larger than the limit of 21474836480 bytes",
            (415, "unsupported_media_type"): "send multipart/form-data with a boundary",
            (422, "invalid"): "some fields are missing or wrong",
            (422, "checksum_mismatch"): "the archive received has SHA-256 4a1f…; send it again",
            (507, "disk_full"): "less than 1073741824 bytes are free",
        }
    ),
)
async def create_dataset(
    request: Request, caller: Researcher, files: FilesDep, key: IdempotencyKey = None
) -> Response:
    """Receives an archive; its check follows, and ends in `ready` or `rejected`."""
    wanted = Wanted(
        file="archive",
        fields=("task", "name", "sha256", "positive"),
        max_bytes=settings().archive_max_bytes,
        check_disk=check_floor,
        begin=partial(service.check_fields, complete=False),
    )
    check_head(request.headers, wanted)
    await run_in_threadpool(check_floor, _coming(request.headers))
    upload = f"uploads/{ids.new('upl')}"
    form = await receive(
        request.stream(), request.headers, wanted, files.writer(upload), service.accept
    )
    try:
        response, kept = await run_in_threadpool(_store, request, caller, key, form, upload)
    except BaseException:
        await run_in_threadpool(forget, files, upload)
        raise
    if not kept:
        await run_in_threadpool(forget, files, upload)
    return response


def _coming(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdigit() else 0


def _store(
    request: Request, caller: Caller, key: str | None, form: Form, upload: str
) -> tuple[Response, bool]:
    """The reply, and whether a row now points to the upload."""
    asked = Asked(caller, CREATE, key, form.digest)
    with writing() as session:
        if (found := idempotency.replay(session, asked)) is not None:
            return again(found), False
        row = service.create(session, caller, form, upload)
        record(session, request, CREATE, row.id, 202)
        location = f"/v1/datasets/{row.id}"
        return created(request, session, asked, service.view(row), location, 202), True


@router.get(
    "", operation_id="list_datasets", response_model=schemas.DatasetPage, responses=problems({})
)
def list_datasets(
    request: Request,
    caller: Viewer,
    session: ReadSession,
    task: Annotated[str | None, Query(max_length=64)] = None,
    state: Annotated[str | None, Query(pattern="^(checking|ready|rejected)$")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first."""
    query = service.query(caller.workspace, task, state)
    rows, following = page(session, query, service.ORDER, cursor, limit)
    items = [service.view(row) for row in rows]
    return respond(request, schemas.DatasetPage(items=items, next_cursor=following))


@router.get(
    "/{dataset_id}",
    operation_id="get_dataset",
    response_model=schemas.Dataset,
    responses=problems(MISSING),
)
def get_dataset(request: Request, caller: Viewer, session: ReadSession, dataset_id: Id) -> Response:
    """State, counts, splits, and what the check found."""
    return respond(request, service.view(service.get(session, caller.workspace, dataset_id)))


@router.get(
    "/{dataset_id}/cases",
    operation_id="list_cases",
    response_model=schemas.LedgerPage,
    responses=problems(MISSING),
)
def list_cases(
    request: Request,
    caller: Viewer,
    session: ReadSession,
    dataset_id: Id,
    fate: Annotated[schemas.Fate | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The ledger: what became of every uploaded file, in the archive's order."""
    row = service.get(session, caller.workspace, dataset_id)
    query = service.ledger(row.id, fate)
    rows, following = page(session, query, service.LEDGER_ORDER, cursor, limit, newest_first=False)
    items = [schemas.LedgerEntry.model_validate(found) for found in rows]
    return respond(request, schemas.LedgerPage(items=items, next_cursor=following))


@router.get(
    "/{dataset_id}/cases/{case_id}/preview.png",
    operation_id="get_case_preview",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}}, "description": "The case with its truth drawn in"},
        **problems(
            {
                **MISSING,
                (409, "not_ready"): "data set ds_01k9 is checking",
                (422, "invalid_request"): "slice 120: this volume has slices 0 to 97",
            }
        ),
    },
)
def get_case_preview(
    request: Request,
    caller: Viewer,
    session: ReadSession,
    files: FilesDep,
    dataset_id: Id,
    case_id: Annotated[str, Path(max_length=64)],
    slice_: Slice = None,
) -> Response:
    """The case as a person would look at it."""
    row = service.get(session, caller.workspace, dataset_id)
    service.check_case(session, row, case_id)
    service.check_slice(row, slice_)
    shown = case_id if slice_ is None else f"{case_id}-{slice_}"
    headers = {"ETag": f'"{row.digest}-{shown}"', "Cache-Control": "private, no-cache"}
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    content = service.preview(row, case_id, files, slice_)
    return Response(content, media_type="image/png", headers=headers)


@router.delete(
    "/{dataset_id}",
    operation_id="delete_dataset",
    status_code=204,
    responses=problems({**MISSING, (409, "in_use"): "a sweep still uses data set ds_01k9"}),
)
def delete_dataset(
    request: Request, caller: Researcher, files: FilesDep, dataset_id: Id
) -> Response:
    """Erases the pack and the ledger. Ended sweeps and models of it stay readable."""
    note = partial(
        record, request=request, action="delete_dataset", resource=dataset_id, status=204
    )
    service.delete(caller.workspace, dataset_id, note)
    erasure.clean(files)
    return Response(status_code=204)


@router.delete(
    "/{dataset_id}/subjects/{subject:path}",
    operation_id="erase_subject",
    response_model=schemas.Erasure,
    responses=problems(
        {
            **MISSING,
            (409, "in_use"): "a sweep uses data set ds_01k9, or it has just changed",
            (409, "last_subject"): "no other subject is in it: delete the data set",
            (409, "not_ready"): "data set ds_01k9 is being checked",
            (507, "disk_full"): "there is no room to write the pack anew: nothing was erased",
        }
    ),
)
def erase_subject(
    request: Request, caller: Researcher, files: FilesDep, dataset_id: Id, subject: Subject
) -> Response:
    """Erases a subject from the pack, the ledger, previews, outputs of runs and caches, and names
    the models that were made with it. Caches on other machines follow within the hour. The answer
    comes when the pack has been written anew, some ten seconds for each GiB; who was cut off
    meanwhile asks again, and `404` says that it is done.
    """
    found = erasure.erase_subject(
        caller.workspace, dataset_id, subject, files,
        lambda session, name: record(session, request, "erase_subject", name, 200),
    )  # fmt: skip
    return respond(request, found, headers={"Cache-Control": "no-store"})
