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
from app.replies import MEDIA_TYPE, body_of, respond

REQUEST_ID = "req_01k9f3zj6v8x2m4n7q0r5s1t2w"


def problems(examples: Mapping[tuple[int, str], str]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a route: its own problems by (status, code), an example each.

    What every route may answer is added in app.documentation.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for (status, code), detail in examples.items():
        entry = found.setdefault(status, {"content": {MEDIA_TYPE: {"examples": {}}}})
        shown = entry["content"][MEDIA_TYPE]["examples"]
        shown[code] = {"value": body_of(Problem(status, code, detail), REQUEST_ID)}
        entry["description"] = ", ".join(shown)
    return found


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
