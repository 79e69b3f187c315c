"""A kept file as a reply: whole or the range asked for, told apart by its SHA-256."""

from collections.abc import Generator, Iterator
from typing import Annotated, Any

from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.answers import problems
from app.errors import Problem
from app.registry import ranges
from app.replies import matches
from app.storage import Files

# Declared to be seen in OpenAPI; `sent` reads it.
Range = Annotated[str | None, Header(alias="Range", max_length=200)]


class Chunked(StreamingResponse):
    """A stream whose source is closed with it, also when the client leaves in the middle."""

    def __init__(self, chunks: Iterator[bytes], **given: Any) -> None:
        super().__init__(chunks, **given)
        self.chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self.chunks, Generator):
                self.chunks.close()


def documented(media_type: str, missing: dict[tuple[int, str], str]) -> dict[int | str, Any]:
    """OpenAPI `responses` of a route that sends a file."""
    content: dict[str, Any] = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {
        200: {"content": content, "description": "The whole file"},
        206: {"content": content, "description": "The range asked for"},
        304: {"description": "The caller holds this file"},
        **problems({**missing, (416, "range_not_satisfiable"): "the file has 13650432 bytes"}),
    }


def sent(
    request: Request, files: Files, facts: dict[str, Any], media_type: str, disposition: str
) -> Response:
    """A file of the store by its facts {"object", "sha256", "bytes"}. Raises Problem 416."""
    etag, size = f'"{facts["sha256"]}"', int(facts["bytes"])
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    fits = request.headers.get("if-range", etag) == etag
    try:
        span = ranges.asked(request.headers.get("range") if fits else None, size)
    except ranges.UnsatisfiableError as error:
        whole = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "range_not_satisfiable", str(error), headers=whole) from error
    start, end = (0, size) if span is None else (span.start, span.end)
    headers |= {"Content-Length": str(end - start), "Content-Disposition": disposition}
    if span is not None:
        headers |= {"Content-Range": f"bytes {start}-{end - 1}/{size}"}
    return Chunked(
        files.open(facts["object"], start, end),
        status_code=200 if span is None else 206,
        headers=headers,
        media_type=media_type,
    )
