"""What a route may ask for: the caller in a role, a session, the files, the page asked for."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated

from fastapi import Depends, Header, Query, Request, Security
from fastapi.security import HTTPBearer
from sqlalchemy.orm import Session

from app.auth import Caller
from app.db.session import reading, writing
from app.db.tables import Audit
from app.errors import Forbidden, Unauthorised
from app.storage import Files, files

__all__ = [
    "Admin", "BodyDigest", "Caller", "Clinician", "Cursor", "FilesDep", "IdempotencyKey", "Limit",
    "ReadSession", "Researcher", "Viewer", "WriteSession", "record", "unchanged",
]  # fmt: skip

UNCHANGED = "unchanged"  # in a session's info

# Only to be seen in OpenAPI: app.gate has checked the key before any body was read.
_bearer = HTTPBearer(auto_error=False, scheme_name="key", description="An API key, `lt_…`")


def at_least(role: str) -> Callable[..., Caller]:
    """A function that answers a request's caller, or raises 403 if its role is below `role`."""

    def caller(request: Request, _: object = None) -> Caller:
        found = getattr(request.state, "caller", None)
        if not isinstance(found, Caller):
            raise Unauthorised("give an API key: Authorization: Bearer lt_…")
        if not found.may(role):
            raise Forbidden(f"this needs the role {role} or higher; your key has {found.role}")
        return found

    return caller


def _dependency(role: str) -> Callable[..., Awaitable[Caller]]:
    check = at_least(role)

    # async, as it waits for nothing: a thread for it would cost more than all it does.
    async def caller(request: Request, _: Annotated[object, Security(_bearer)]) -> Caller:
        return check(request)

    return caller


Viewer = Annotated[Caller, Depends(_dependency("viewer"))]
Clinician = Annotated[Caller, Depends(_dependency("clinician"))]
Researcher = Annotated[Caller, Depends(_dependency("researcher"))]
Admin = Annotated[Caller, Depends(_dependency("admin"))]


def record(
    session: Session, request: Request, action: str, resource: str | None, status: int
) -> None:
    """Adds an audit row in the caller's transaction. WriteSession does so by itself."""
    caller = getattr(request.state, "caller", None)
    session.add(
        Audit(
            workspace=caller.workspace if caller else None,
            key_id=caller.key_id if caller else None,
            action=action,
            resource=resource,
            status=status,
            request_id=request.state.request_id,
        )
    )


def _read() -> Iterator[Session]:
    with reading() as session:
        yield session


def unchanged(session: Session) -> None:
    """Nothing was changed after all (a dry run, a reply given again): nothing is audited."""
    session.info[UNCHANGED] = True


def _write(request: Request) -> Iterator[Session]:
    with writing() as session:
        yield session
        if session.info.get(UNCHANGED):
            return
        route = request.scope["route"]
        named = next(iter(request.path_params.values()), None)
        resource = getattr(request.state, "resource", named)
        action = route.operation_id or route.name
        record(session, request, action, resource, route.status_code or 200)


# scope="function": the block after `yield` - the commit - runs before the reply leaves, so a
# commit that fails is never answered with 200 (DESIGN, trap 1).
ReadSession = Annotated[Session, Depends(_read, scope="function")]
WriteSession = Annotated[Session, Depends(_write, scope="function")]


async def _files() -> Files:
    return files()


FilesDep = Annotated[Files, Depends(_files)]


async def _body_digest(request: Request) -> str:
    return hashlib.sha256(await request.body()).hexdigest()


BodyDigest = Annotated[str, Depends(_body_digest)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key with the same body replays the first reply",
    ),
]
Limit = Annotated[int, Query(ge=1, le=200, description="Most items on a page")]
Cursor = Annotated[
    str | None, Query(max_length=512, description="`next_cursor` of the page before")
]
