"""What leaves the process: problems drawn as problem+json (RFC 9457), resources with an ETag."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Scope

from app.errors import Conflict, Problem, Unavailable, Unprocessable
from app.storage import AwayError

MEDIA_TYPE = "application/problem+json"
CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_any = TypeAdapter[Any](Any)

log = structlog.get_logger()


class Fault(BaseModel):
    """One thing wrong: a JSON pointer into the body (`#/recipe/epochs`), or `query/limit`."""

    pointer: str
    detail: str


class ProblemBody(BaseModel):
    """Every reply that is not a success has this body (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="A name for this kind of problem; one for each `code`")
    title: str = Field(description="The status in words")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What was wrong here, and the way out")
    code: str = Field(description="Stable, for programs")
    retryable: bool = Field(description="Whether the same request may succeed later")
    request_id: str = Field(description="To be found again in the log; also in X-Request-ID")
    errors: list[Fault]


def body_of(problem: Problem, request_id: str) -> dict[str, Any]:
    return {
        "type": f"urn:layertune:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "retryable": problem.retryable,
        "request_id": request_id,
        "errors": problem.errors,
    }


def drawn(problem: Problem, scope: Scope) -> Response:
    """The response for a problem; every one goes through here."""
    request_id = scope.get("state", {}).get("request_id", "")
    content = json.dumps(body_of(problem, request_id), ensure_ascii=False)
    # Half a surrogate pair, as JSON may hold it, stays the escape that it came as.
    sent = content.encode("utf-8", "backslashreplace")
    return Response(sent, problem.status, problem.headers, MEDIA_TYPE)


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - what Starlette promises a handler
    return drawn(error, request.scope)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = CODES.get(error.status_code, HTTPStatus(error.status_code).name.lower())
    detail = f"{request.method} {request.url.path}: {error.detail}"
    headers = {**(error.headers or {})}
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
    return drawn(Problem(error.status_code, code, detail, headers=headers), request.scope)


def _allowed(request: Request) -> list[str]:
    """All that may be done at this address: what is routed knows the first route that fits it.

    A name goes before a placeholder: a task's own address is no prediction's.
    """
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    fits = [path for path in paths if compile_path(path)[0].match(request.url.path)]
    named = [path for path in fits if path == request.url.path] or fits
    found = {method.upper() for path in named for method in paths[path]}
    return sorted(found | {"HEAD"} if "GET" in found else found)


def pointer(where: Sequence[int | str]) -> str:
    """Where in the request: `#/recipe/epochs` for the body, `query/limit` for the rest."""
    place, *rest = (str(part) for part in where)
    return "/".join(["#" if place == "body" else place, *rest])


def _invalid(request: Request, error: Exception) -> Response:
    # pydantic's `input` is left out: it may be a patient's.
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = [{"pointer": pointer(e["loc"]), "detail": e["msg"]} for e in error.errors()]
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return drawn(Unprocessable("invalid_json", "the body is not JSON", found), request.scope)
    said = "; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in found[:3])
    return drawn(Unprocessable("invalid_request", said, found), request.scope)


def _unique(error: IntegrityError) -> bool:
    if getattr(error.orig, "sqlstate", None) == "23505":
        return True
    name = getattr(error.orig, "sqlite_errorname", "")
    return name in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")


def of_database(error: Exception) -> Problem | None:
    """The problem behind a database error; None for a bug of ours (then it is a 500)."""
    if isinstance(error, IntegrityError) and _unique(error):
        return Conflict("conflict", "somebody else made this at the same time", retryable=True)
    if isinstance(error, DataError):
        return Unprocessable("invalid_request", "it holds a value that cannot be stored")
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if lost or isinstance(error, OperationalError | PoolTimeoutError):
        return Unavailable("database_unavailable", "the database cannot be reached just now")
    return None


def _database(request: Request, error: Exception) -> Response:
    problem = of_database(error)
    if problem is None:
        raise error
    log.error("database", why=type(error).__name__, code=problem.code)
    return drawn(problem, request.scope)


def _away(request: Request, error: Exception) -> Response:
    log.error("storage", why=type(error).__name__)
    detail = "the file store does not answer just now: send it again in a moment"
    return drawn(Unavailable("storage_unavailable", detail), request.scope)


def install(app: FastAPI) -> None:
    """Puts the handlers in place. What none of them knows becomes a 500 in app.observe."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeoutError, _database)
    app.add_exception_handler(AwayError, _away)


def respond(
    request: Request,
    body: BaseModel | Mapping[str, Any] | Sequence[Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A resource as JSON with its ETag; 304 without a body if the caller holds just this."""
    return tagged(request, _any.dump_json(body), "application/json", status, headers)


def tagged(
    request: Request,
    content: bytes,
    media_type: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Bytes with an ETag made of them; 304 if the caller holds just these."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    sent = {"ETag": etag, "Cache-Control": "private, no-cache", **(headers or {})}
    if status == 200 and matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=sent)
    return Response(content, status, sent, media_type)


def matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names this ETag (weak comparison, RFC 9110)."""
    if header is None:
        return False
    held = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in held or etag in held
