"""The audit over HTTP, for admins."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.audit import schemas, service
from app.deps import Admin, Cursor, Limit, ReadSession
from app.pages import page
from app.replies import respond

router = APIRouter(tags=["audit"])

Wanted = Annotated[str | None, Query(max_length=64)]


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
    query = service.query(caller.workspace, key_id, action, resource)
    rows, following = page(session, query, service.ORDER, cursor, limit)
    items = [schemas.AuditEntry.model_validate(row) for row in rows]
    return respond(request, schemas.AuditPage(items=items, next_cursor=following))
