"""The audit over HTTP, for admins."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.answers import problems
from app.audit import schemas, service
from app.deps import Admin, Cursor, Limit, ReadSession
from app.pages import page
from app.replies import respond

router = APIRouter(tags=["audit"])

Wanted = Annotated[str | None, Query(max_length=64)]
Head = Annotated[
    str | None,
    Query(pattern="^[0-9a-f]{64}$", description="A `head` noted earlier: is it still there?"),
]


@router.get("/v1/audit", operation_id="list_audit", response_model=schemas.AuditPage)
def list_audit(
    request: Request,
    caller: Admin,
    session: ReadSession,
    key_id: Wanted = None,
    action: Wanted = None,
    resource: Wanted = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What the keys of this workspace changed and predicted, newest first."""
    query = service.query(caller, key_id, action, resource)
    rows, following = page(session, query, service.ORDER, cursor, limit)
    items = [schemas.AuditEntry.model_validate(row) for row in rows]
    return respond(request, schemas.AuditPage(items=items, next_cursor=following))


@router.get(
    "/v1/audit/verification",
    operation_id="verify_audit",
    response_model=schemas.Verification,
    responses=problems(
        {(403, "forbidden"): "the audit is verified as a whole, by an admin of 'default'"}
    ),
)
def verify_audit(
    request: Request, caller: Admin, session: ReadSession, head: Head = None
) -> Response:
    """Walks the whole chain: whether it is intact, or the first row that is not."""
    return respond(request, service.verify(session, caller, head))
