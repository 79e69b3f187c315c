"""The gate: by which name, who and how often is known before a byte of the body is read."""

from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import hosts
from app.auth import REFUSED, Caller, Keyring, digest
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
from app.keys.logins import logins
from app.limits import Buckets
from app.replies import drawn, of_database

GUARDED = ("/v1/", "/metrics")  # the rest is open: health, version, documentation
STREAMED = ("/v1/datasets", "/v1/models", "/v1/predictions/")  # routes that bound their own body
BODY_MAX_BYTES = 1 << 20  # of a JSON request
KEY = "Bearer "


class Gate:
    """Pure ASGI: judges the Host, authenticates, limits the rate, bounds the body."""

    def __init__(
        self, app: ASGIApp, keyring: Keyring, rate_per_s: float, names: tuple[str, ...] = ()
    ) -> None:
        self.app, self.keyring, self.names = app, keyring, names
        self.buckets = Buckets(rate_per_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            _check_host(headers, self.names)
            if scope["path"].startswith(GUARDED):
                caller = await self._caller(headers, scope)
                scope["state"]["caller"] = caller
                grant = self.buckets.take(caller.key_id, caller.rate_per_s)
                send = _telling(send, grant.headers())
                if grant.wait_s:
                    said = f"more than {grant.rate:g} requests a second"
                    raise TooMany(said, grant.wait_s)
                _check_address(scope)
                receive = _measured(scope, headers, receive, caller)
        except Problem as problem:
            await drawn(problem, scope)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _caller(self, headers: Headers, scope: Scope) -> Caller:
        given = headers.get("authorization", "")
        if not given[: len(KEY)].lower() == KEY.lower() or not given[len(KEY) :].strip():
            raise Unauthorised("give an API key: Authorization: Bearer lt_…")
        found = digest(given[len(KEY) :].strip())
        known, caller = self.keyring.recall(found)
        if not known:
            caller = await run_in_threadpool(self._look_up, found)
            self._note(found, caller, scope)
        if caller is None:
            raise Unauthorised(REFUSED[self.keyring.refusal(found).reason])
        return caller

    def _note(self, found: str, caller: Caller | None, scope: Scope) -> None:
        """Uses and refusals are noted when a key is looked up, every few seconds at most."""
        request_id = scope["state"]["request_id"]
        if caller is not None:
            logins.used(caller, request_id)
            return
        address = (scope.get("client") or ("unknown", 0))[0]
        logins.refused(self.keyring.refusal(found), address, request_id)

    def _look_up(self, found: str) -> Caller | None:
        try:
            with reading() as session:
                return self.keyring.look_up(session, found)
        except SQLAlchemyError as error:
            problem = of_database(error)
            raise problem or error from error


def _check_host(headers: Headers, names: tuple[str, ...]) -> None:
    host = headers.get("host")
    if host is None or hosts.answered(host, names):
        return
    detail = "this service does not answer to the name in Host: its operator lists those it has "
    raise Problem(421, "host_not_allowed", detail + "in LAYERTUNE_ALLOWED_HOSTS")


def _telling(send: Send, added: Sequence[tuple[bytes, bytes]]) -> Send:
    """The same, with headers added to the reply."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return telling


def _measured(scope: Scope, headers: Headers, receive: Receive, caller: Caller) -> Receive:
    """The body's stream, bounded: JSON by us, a form by its route and by its key's own limit."""
    if not _streamed(scope, headers):
        _check_body(headers)
        return _bounded(receive, _too_long)
    largest = caller.upload_max_bytes
    if largest is None:
        return receive
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > largest:
        raise _too_large_for(largest)
    return _bounded(receive, lambda: _too_large_for(largest), largest)


def _too_long() -> HTTPException:
    return HTTPException(413, f"the body is larger than {BODY_MAX_BYTES} bytes")


def _too_large_for(largest: int) -> TooLarge:
    problem = TooLarge(f"this key may send at most {largest} bytes at once")
    problem.headers["Upload-Limit"] = f"max-size={largest}"
    return problem


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


def _bounded(
    receive: Receive, refusal: Callable[[], Exception], most: int = BODY_MAX_BYTES
) -> Receive:
    """The same stream, cut off where a body without a length grows beyond the bound."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise refusal()
        return message

    return bounded
