"""Models and deployments over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from app import idempotency, ids, ranged
from app.answers import again, created, problems
from app.db.session import writing
from app.deps import (
    Admin,
    Caller,
    Cursor,
    FilesDep,
    IdempotencyKey,
    Limit,
    ReadSession,
    Researcher,
    Viewer,
    WriteSession,
    record,
)
from app.disk import check_floor
from app.errors import Unprocessable
from app.idempotency import Asked
from app.multipart import Form, Wanted, joined, receive
from app.pages import page
from app.ranged import Range
from app.registry import agreement, deployments, imports, schemas, service
from app.replies import respond, tagged
from app.storage import Files, forget

router = APIRouter()

Id = Annotated[str, Path(max_length=64, description="`mdl_…`")]
Name = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9_-]{0,63}$", description="Of the deployment")]
MISSING = {(404, "not_found"): "there is no model 'mdl_01k9'"}
CREATE = "create_model"
TYPES = {
    "card.json": "application/json",
    "model.onnx": "application/octet-stream",
    "weights.safetensors": "application/octet-stream",
}


@router.get(
    "/v1/models", operation_id="list_models", tags=["models"], response_model=schemas.ModelPage
)
def list_models(
    request: Request,
    caller: Viewer,
    session: ReadSession,
    task: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Registered models, newest first."""
    query = service.query(caller.workspace, task)
    rows, following = page(session, query, service.ORDER, cursor, limit)
    items = [service.view(row) for row in rows]
    return respond(request, schemas.ModelPage(items=items, next_cursor=following))


@router.get(
    "/v1/models/{model_id}",
    operation_id="get_model",
    tags=["models"],
    response_model=schemas.Model,
    responses=problems(MISSING),
)
def get_model(request: Request, caller: Viewer, session: ReadSession, model_id: Id) -> Response:
    """The card: lineage, arms compared, metrics with intervals, operating points, digests."""
    return respond(request, service.show(session, caller.workspace, model_id))


@router.get(
    "/v1/models/{model_id}/files/{name}",
    operation_id="get_model_file",
    tags=["models"],
    response_class=StreamingResponse,
    responses=ranged.documented("application/octet-stream", MISSING),
)
def get_model_file(
    request: Request,
    caller: Viewer,
    session: ReadSession,
    files: FilesDep,
    model_id: Id,
    name: Annotated[str, Path(max_length=64, examples=["model.onnx"])],
    _: Range = None,
) -> Response:
    """A file of the model, whole or in part; its ETag is its SHA-256."""
    facts = service.file_of(session, caller.workspace, model_id, name)
    disposition = f'attachment; filename="{name}"'
    kind = TYPES.get(name, "application/octet-stream")
    return ranged.sent(request, files, facts, kind, disposition)


PICTURE = {"schema": {"type": "string", "format": "binary"}}
NO_AGREEMENT = {
    **MISSING,
    (404, "no_agreement"): "model mdl_01k9 is of polyp, which measures no thickness to agree on",
    (404, "no_predictions"): "the test part has not been opened for run run_01k9: …",
}
PartAsked = Annotated[
    agreement.Part | None, Query(description="Default: test once it has been opened")
]


@router.get(
    "/v1/models/{model_id}/agreement.svg",
    operation_id="get_model_agreement",
    tags=["models"],
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": PICTURE}}, **problems(NO_AGREEMENT)},
)
def get_model_agreement(
    request: Request, caller: Viewer, session: ReadSession, files: FilesDep, model_id: Id,
    part: PartAsked = None,
) -> Response:  # fmt: skip
    """Of a model that measures thickness: its difference from people's against the mean of both,
    with bias and limits of agreement (Bland and Altman).
    """
    outputs, whose = agreement.outputs_of(session, caller.workspace, model_id, part)
    return tagged(request, agreement.drawn(files, outputs, whose, "svg"), "image/svg+xml")


@router.get(
    "/v1/models/{model_id}/agreement.png",
    operation_id="get_model_agreement_png",
    tags=["models"],
    response_class=Response,
    responses={200: {"content": {"image/png": PICTURE}}, **problems(NO_AGREEMENT)},
)
def get_model_agreement_png(
    request: Request, caller: Viewer, session: ReadSession, files: FilesDep, model_id: Id,
    part: PartAsked = None,
) -> Response:  # fmt: skip
    """The same as pixels."""
    outputs, whose = agreement.outputs_of(session, caller.workspace, model_id, part)
    return tagged(request, agreement.drawn(files, outputs, whose, "png"), "image/png")


@router.post(
    "/v1/models",
    operation_id=CREATE,
    tags=["models"],
    status_code=202,
    response_model=schemas.Model,
    openapi_extra=schemas.REQUEST,
    responses={
        200: {"model": schemas.Model, "description": "The run had been registered before"},
        201: {"model": schemas.Model, "description": "The bundle was imported"},
        **problems(
            {
                (400, "malformed_form"): "the multipart body is broken or ends too early",
                (404, "not_found"): "there is no run 'run_01k9'",
                (409, "run_not_succeeded"): "run run_01k9 is failed: it has no weights",
                (409, "sweep_not_ended"): "sweep swp_01k9 has not ended",
                (413, "too_large"): "bundle is larger than the limit of 2147483648 bytes",
                (422, "bad_bundle"): "card.json is missing from the bundle",
                (507, "disk_full"): "less than 1073741824 bytes are free",
            }
        ),
    },
)
async def create_model(
    request: Request, caller: Researcher, files: FilesDep, key: IdempotencyKey = None
) -> Response:
    """Registers another run than the recommended one (202), or imports a bundle (201)."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/"):
        body = await joined(request.stream())
        return await run_in_threadpool(_register, request, caller, key, body)
    wanted = Wanted(
        file="bundle", fields=(), max_bytes=imports.BUNDLE_MAX_BYTES, check_disk=check_floor
    )
    upload = f"uploads/{ids.new('upl')}"
    form = await receive(request.stream(), request.headers, wanted, files.writer(upload))
    try:
        return await run_in_threadpool(_import, request, caller, key, form, upload, files)
    finally:
        await run_in_threadpool(forget, files, upload)


def _register(request: Request, caller: Caller, key: str | None, body: bytes) -> Response:
    try:
        wish = schemas.Registration.model_validate_json(body)
    except ValidationError as error:
        errors = [
            {"pointer": "/".join(["#", *map(str, e["loc"])]), "detail": e["msg"]}
            for e in error.errors()
        ]
        broken = any(e["type"] == "json_invalid" for e in error.errors())
        code = "invalid_json" if broken else "invalid_request"
        raise Unprocessable(code, 'send {"run_id": "run_…"}', errors) from error
    asked = Asked(caller, CREATE, key, imports.sha256(body))
    with writing() as session:
        if (found := idempotency.replay(session, asked)) is not None:
            return again(found)
        view = service.register(session, caller, wish.run_id)
        status = 200 if view.state == "registered" else 202
        record(session, request, CREATE, view.id, status)
        return created(request, session, asked, view, f"/v1/models/{view.id}", status)


def _import(
    request: Request, caller: Caller, key: str | None, form: Form, upload: str, files: Files
) -> Response:
    asked = Asked(caller, CREATE, key, form.digest)
    found = imports.read(files.local(upload), files)
    with writing() as session:
        if (before := idempotency.replay(session, asked)) is not None:
            return again(before)
        view = service.view(imports.store(session, caller, found))
        record(session, request, CREATE, view.id, 201)
        return created(request, session, asked, view, f"/v1/models/{view.id}", 201)


@router.put(
    "/v1/deployments/{name}",
    operation_id="put_deployment",
    tags=["deployments"],
    response_model=schemas.Deployment,
    responses=problems(
        {
            (404, "not_found"): "there is no model 'mdl_01k9'",
            (409, "conflict"): "somebody else made this at the same time",
            (422, "unknown_operating_point"): "'fpr=0.5': neither a threshold from 0 to 1 nor …",
            (422, "task_mismatch"): "'polyp' answers for its task; the model is of classification",
            (422, "model_not_servable"): "model mdl_01k9 has no model.onnx",
        }
    ),
)
def put_deployment(
    request: Request,
    caller: Admin,
    session: WriteSession,
    name: Name,
    asked: schemas.DeploymentRequest,
) -> Response:
    """Puts a model behind a name; putting an old one again is the rollback."""
    view = deployments.deploy(session, caller, name, asked)
    return respond(request, view)


@router.get(
    "/v1/deployments",
    operation_id="list_deployments",
    tags=["deployments"],
    response_model=schemas.DeploymentPage,
)
def list_deployments(
    request: Request,
    caller: Viewer,
    session: ReadSession,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What answers now, by name, each with its history."""
    query = deployments.query(caller.workspace)
    rows, following = page(session, query, deployments.ORDER, cursor, limit, newest_first=False)
    items = [deployments.show(session, caller.workspace, row.name) for row in rows]
    return respond(request, schemas.DeploymentPage(items=items, next_cursor=following))


@router.get(
    "/v1/deployments/{name}",
    operation_id="get_deployment",
    tags=["deployments"],
    response_model=schemas.Deployment,
    responses=problems({(404, "not_found"): "there is no deployment 'polyp'"}),
)
def get_deployment(request: Request, caller: Viewer, session: ReadSession, name: Name) -> Response:
    """One deployment with its history."""
    return respond(request, deployments.show(session, caller.workspace, name))
