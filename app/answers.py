"""Replies that several features give alike: created resources, and problems shown in OpenAPI."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app import idempotency
from app.errors import Problem
from app.idempotency import Asked, Replayed
from app.replies import MEDIA_TYPE, ProblemBody, body_of, respond

REQUEST_ID = "req_example"


def problems(
    examples: Mapping[tuple[int, str], str], *, body: bool = False
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a route: its problems by (status, code) with an example each.

    What every guarded route may answer is added; with `body`, what every route with a body may.
    """
    said = {
        (401, "unauthorised"): "give an API key: Authorization: Bearer lt_…",
        (403, "forbidden"): "this needs the role researcher or higher; your key has viewer",
        (429, "too_many_requests"): "more than 100 requests a second",
    }
    if body:
        said[(422, "invalid_request")] = "#/name: String should have at least 1 character"
        said[(413, "too_large")] = "the body is larger than the limit"
        said[(415, "unsupported_media_type")] = "content type text/plain: send application/json"
    found: dict[int | str, dict[str, Any]] = {}
    for (status, code), detail in {**said, **examples}.items():
        entry = found.setdefault(status, _entry())
        shown = body_of(Problem(status, code, detail), REQUEST_ID)
        entry["content"][MEDIA_TYPE]["examples"][code] = {"value": shown}
        entry["description"] = ", ".join(entry["content"][MEDIA_TYPE]["examples"])
    return found


def _entry() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"model": ProblemBody, "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}}}


def again(found: Replayed) -> Response:
    """The reply that an Idempotency-Key has had before."""
    headers = {"Idempotency-Replayed": "true"}
    if found.location is not None:
        headers["Location"] = found.location
    return JSONResponse(found.body, found.status, headers)


def created(
    request: Request, session: Session, asked: Asked, body: BaseModel, location: str, status: int
) -> Response:
    """The reply to a creating POST, remembered in the transaction that created."""
    request.state.resource = location.rpartition("/")[2]
    idempotency.remember(session, asked, status, body.model_dump(mode="json"), location)
    return respond(request, body, status, {"Location": location})
