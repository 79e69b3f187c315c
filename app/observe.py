"""What the service says of itself: JSON logs, metrics, a request id on every reply."""

import logging
import re
import sys
import time
import traceback

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import ids
from app.errors import Problem
from app.replies import drawn

PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
QUIET = frozenset({"/healthz/live", "/healthz/ready", "/metrics"})  # asked every few seconds
BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

requests = Counter("layertune_requests_total", "Requests answered", ["method", "route", "status"])
seconds = Histogram(
    "layertune_request_seconds", "Time to answer", ["method", "route"], buckets=BUCKETS_S
)
log = structlog.get_logger()


def configure_logs(level: str = "INFO") -> None:
    """One JSON object per line on stderr; secrets, file names and query strings are not logged."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def where(error: BaseException) -> list[str]:
    """The frames an error came through, without its message: that may hold a patient's data."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def route_of(scope: Scope) -> str:
    """The path template of the route that answered: few values, and no ids."""
    return str(getattr(scope.get("route"), "path", None) or "unmatched")


class Observe:
    """Pure ASGI, outermost of ours: names the request, counts and logs it, draws the last 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if PLAIN_ID.fullmatch(given) else ids.new("req")
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.perf_counter(), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, named)
        except Exception as error:
            log.error(
                "bug", request_id=request_id, error=type(error).__qualname__, where=where(error)
            )
            if status:
                raise  # the reply is under way: the server can only drop the connection
            detail = "something went wrong here; the log names the place under this request_id"
            await drawn(Problem(500, "internal_error", detail), scope)(scope, receive, named)
        finally:
            self._count(scope, status, time.perf_counter() - began)

    @staticmethod
    def _count(scope: Scope, status: int, took_s: float) -> None:
        route, state = route_of(scope), scope["state"]
        # A counter for every word that somebody sends as a method would fill the memory.
        method = scope["method"] if scope["method"] in METHODS else "other"
        requests.labels(method, route, status).inc()
        seconds.labels(method, route).observe(took_s)
        if route in QUIET:
            return
        caller = state.get("caller")
        log.info(
            "request", method=method, route=route, status=status, ms=round(took_s * 1000, 1),
            request_id=state["request_id"], key=getattr(caller, "key_id", None),
        )  # fmt: skip
