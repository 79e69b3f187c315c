"""API keys over HTTP, for admins."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app import idempotency
from app.answers import again, problems
from app.deps import (
    Admin,
    BodyDigest,
    Cursor,
    IdempotencyKey,
    Limit,
    ReadSession,
    WriteSession,
    unchanged,
)
from app.idempotency import Asked
from app.keys import schemas, service
from app.pages import page
from app.replies import respond

router = APIRouter(prefix="/v1/keys", tags=["keys"])

Id = Annotated[str, Path(max_length=64, description="`key_…`")]
CREATE, ROTATE = "create_key", "rotate_key"
MISSING = {(404, "not_found"): "there is no key 'key_01k9'"}


@router.post(
    "",
    operation_id=CREATE,
    status_code=201,
    response_model=schemas.NewKey,
    responses=problems({(403, "forbidden"): "only an admin of 'default' makes keys for another"}),
)
def create_key(
    request: Request,
    caller: Admin,
    session: WriteSession,
    asked: schemas.KeyRequest,
    body: BodyDigest,
    key: IdempotencyKey = None,
) -> Response:
    """Makes a key. The reply holds it in the clear, this once."""
    wanted = Asked(caller, CREATE, key, body)
    if (found := idempotency.replay(session, wanted)) is not None:
        unchanged(session)
        return again(found)
    row, secret = service.create(session, caller, asked)
    request.state.resource = row.id
    location = f"/v1/keys/{row.id}"
    # What is kept for a replay is kept without the secret.
    kept = service.view_new(row, None).model_dump(mode="json")
    idempotency.remember(session, wanted, 201, kept, location)
    headers = {"Location": location, "Cache-Control": "no-store"}
    return respond(request, service.view_new(row, secret), 201, headers)


@router.get("", operation_id="list_keys", response_model=schemas.KeyPage)
def list_keys(
    request: Request, caller: Admin, session: ReadSession, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Every key, revoked ones too; never their secrets."""
    rows, following = page(session, service.query(caller), service.ORDER, cursor, limit)
    items = [service.view(row) for row in rows]
    return respond(request, schemas.KeyPage(items=items, next_cursor=following))


@router.get(
    "/{key_id}",
    operation_id="get_key",
    response_model=schemas.Key,
    responses=problems(MISSING),
)
def get_key(request: Request, caller: Admin, session: ReadSession, key_id: Id) -> Response:
    """One key, without its secret."""
    return respond(request, service.view(service.get(session, caller, key_id)))


@router.post(
    "/{key_id}/rotate",
    operation_id=ROTATE,
    response_model=schemas.NewKey,
    responses=problems(
        {
            **MISSING,
            (409, "key_revoked"): "key key_01k9 is revoked: make another key",
            (409, "key_expired"): "key key_01k9 is expired: give expires_at",
        }
    ),
)
def rotate_key(
    request: Request,
    caller: Admin,
    session: WriteSession,
    key_id: Id,
    asked: schemas.RotationRequest,
    body: BodyDigest,
    key: IdempotencyKey = None,
) -> Response:
    """Gives a key a new secret, shown this once; its id, role and limits stay. The old secret
    ends after `grace_s`, and one that was replaced before ends at once.
    """
    wanted = Asked(caller, f"{ROTATE} {key_id}", key, body)
    if (found := idempotency.replay(session, wanted)) is not None:
        unchanged(session)
        return again(found)
    row, secret = service.rotate(session, caller, key_id, asked)
    kept = service.view_new(row, None).model_dump(mode="json")
    idempotency.remember(session, wanted, 200, kept)
    return respond(request, service.view_new(row, secret), 200, {"Cache-Control": "no-store"})


@router.delete(
    "/{key_id}",
    operation_id="delete_key",
    status_code=204,
    responses=problems(
        {
            **MISSING,
            (409, "own_key"): "this is the key you are using: revoke it with another one",
        }
    ),
)
def delete_key(caller: Admin, session: WriteSession, key_id: Id) -> Response:
    """Withdraws a key: within seconds it opens nothing any more."""
    service.revoke(session, caller, key_id)
    return Response(status_code=204)
