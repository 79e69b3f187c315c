"""The gate: who calls is known, and how often, before a byte of the body is read."""

import time

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth import Caller, Keyring, digest
from app.db.session import reading
from app.errors import (
    NotFound,
    Problem,
    TooLarge,
    TooMany,
    Unauthorised,
    Unprocessable,
    UnsupportedMedia,
)
from app.replies import drawn, of_database

GUARDED = ("/v1/", "/metrics")  # the rest is open: health, version, documentation
STREAMED = ("/v1/datasets", "/v1/models", "/v1/predictions/")  # routes that bound their own body
BODY_MAX_BYTES = 1 << 20  # of a JSON request
KEY = "Bearer "


class Buckets:
    """A token bucket per key: `rate` a second, and a burst of as many at once."""

    def __init__(self, rate: float) -> None:
        self.rate, self.burst = rate, max(1.0, rate)
        self._left: dict[str, tuple[float, float]] = {}

    def wait_s(self, key_id: str, at: float | None = None) -> float:
        """Takes a token; 0, or how long to wait for one. Called on the event loop only."""
        at = time.monotonic() if at is None else at
        tokens, last = self._left.get(key_id, (self.burst, at))
        tokens = min(self.burst, tokens + (at - last) * self.rate)
        if tokens < 1:
            self._left[key_id] = (tokens, at)
            return (1 - tokens) / self.rate
        self._left[key_id] = (tokens - 1, at)
        return 0.0


class Gate:
    """Pure ASGI: authenticates, limits the rate, bounds a JSON body."""

    def __init__(self, app: ASGIApp, keyring: Keyring, rate_per_s: float) -> None:
        self.app, self.keyring = app, keyring
        self.buckets = Buckets(rate_per_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            caller = await self._caller(headers)
            scope["state"]["caller"] = caller
            if wait_s := self.buckets.wait_s(caller.key_id):
                raise TooMany(f"more than {self.buckets.rate:g} requests a second", wait_s)
            _check_address(scope)
            if not _streamed(scope, headers):
                _check_body(headers)
                receive = _bounded(receive)
        except Problem as problem:
            await drawn(problem, scope)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _caller(self, headers: Headers) -> Caller:
        given = headers.get("authorization", "")
        if not given[: len(KEY)].lower() == KEY.lower() or not given[len(KEY) :].strip():
            raise Unauthorised("give an API key: Authorization: Bearer lt_…")
        found = digest(given[len(KEY) :].strip())
        known, caller = self.keyring.recall(found)
        if not known:
            caller = await run_in_threadpool(self._look_up, found)
        if caller is None:
            raise Unauthorised("this API key is not known, or was revoked")
        return caller

    def _look_up(self, found: str) -> Caller | None:
        try:
            with reading() as session:
                return self.keyring.look_up(session, found)
        except SQLAlchemyError as error:
            problem = of_database(error)
            raise problem or error from error


def _check_address(scope: Scope) -> None:
    """Refuses an address with a NUL: no id has one, and PostgreSQL cannot even be asked for it."""
    if "\0" in scope["path"]:
        raise NotFound("there is nothing at an address with a NUL in it")
    if b"%00" in scope.get("query_string", b""):
        fault = {"pointer": "query", "detail": "a NUL (%00)"}
        raise Unprocessable("invalid_request", "the query holds a NUL", [fault])


def _streamed(scope: Scope, headers: Headers) -> bool:
    form = headers.get("content-type", "").lower().startswith("multipart/form-data")
    return form and scope["path"].startswith(STREAMED)


def _check_body(headers: Headers) -> None:
    """Refuses by its headers a body that is too long, or not JSON."""
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > BODY_MAX_BYTES:
        raise TooLarge(f"a body of {length} bytes: at most {BODY_MAX_BYTES} here")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("", "application/json") or kind.endswith("+json"):
        return
    if length != "0" or "transfer-encoding" in headers:
        raise UnsupportedMedia(f"content type {kind}: send application/json here")


def _bounded(receive: Receive) -> Receive:
    """The same stream, cut off where a body without a length grows beyond the bound."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > BODY_MAX_BYTES:
            raise HTTPException(413, f"the body is larger than {BODY_MAX_BYTES} bytes")
        return message

    return bounded
