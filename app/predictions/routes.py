"""The prediction endpoints, one concrete path for every task that the science knows."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response

from app.deps import Caller, Clinician, Viewer
from app.errors import NotFound, Unprocessable
from app.predictions import records, schemas, service
from app.predictions.answering import Answered, Asked, encode
from app.predictions.form import Taken, take
from app.predictions.journal import journal
from app.predictions.options import options
from app.predictions.records import Call
from app.predictions.serving import resolved
from app.replies import respond
from app.settings import settings
from models.task import Task

WAIT_MAX_S = 60.0
POLL_S = (0.05, 0.5)  # first and longest pause between two looks at a row
KEY_MAX = 255  # characters of an Idempotency-Key
_QUALITY = re.compile(r"[0-9](\.[0-9]{0,3})?")  # RFC 9110's weight
Result = TypeVar("Result")

# Decoding and drawing hold a core; the engine's own threads hold the cores while these wait.
_pool = ThreadPoolExecutor(max_workers=(os.cpu_count() or 2) + 2, thread_name_prefix="predict")


async def _in_thread(work: Callable[..., Result], *given: Any) -> Result:
    return await asyncio.get_running_loop().run_in_executor(_pool, partial(work, *given))


@asynccontextmanager
async def _flushed(_: Any) -> AsyncIterator[None]:
    """What was answered is stored before the process ends."""
    yield
    await asyncio.to_thread(journal.close)


def wants_picture(accept: str) -> bool:
    """Whether an Accept header puts a PNG before JSON; JSON where it does not care."""
    quality = {"image/png": 0.0, "application/json": 0.0}
    for offer in accept.lower().split(","):
        kind, _, rest = offer.strip().replace("image/*", "image/png").partition(";")
        if kind.strip() in quality:
            _, _, q = rest.partition("q=")
            quality[kind.strip()] = float(q) if _QUALITY.fullmatch(q.strip()) else 1.0
    return quality["image/png"] > quality["application/json"]


def idempotency_key(given: str | None) -> str | None:
    """The Idempotency-Key, bounded as everywhere. Raises Unprocessable."""
    if given is not None and not 1 <= len(given) <= KEY_MAX:
        fault = {"pointer": "header/Idempotency-Key", "detail": f"1 to {KEY_MAX} characters"}
        raise Unprocessable("invalid_request", "an Idempotency-Key of odd length", [fault])
    return given


def prefers_async(prefer: str) -> bool:
    wishes = prefer.lower().replace(";", ",").split(",")
    return "respond-async" in (wish.strip() for wish in wishes)


async def _predict(task: Task, request: Request, caller: Caller) -> Response:
    """Answers one image. The key was checked before a byte of the body is read (app.gate)."""
    begun = time.perf_counter()
    prediction_id = service.new_id()
    headers, workspace = request.headers, caller.workspace
    key = idempotency_key(headers.get("idempotency-key"))
    spool = partial(service.spool, prediction_id)
    taken = await take(request.stream(), headers, settings().prediction_max_bytes, spool)
    with service.discarding(prediction_id if taken.data is None else None) as keep:
        wished = options(taken.fields)
        serving = resolved.recall(workspace, task.name, wished)
        if serving is None:
            serving = await _in_thread(service.resolve, workspace, task.name, wished)
        asked = Asked(prediction_id, task, wished, serving, begun)
        call = Call(caller, request.state.request_id, asked, key)
        if prefers_async(headers.get("prefer", "")):
            reply = await _in_thread(service.enqueue, call, taken)
            keep()
            return _accepted(reply)
        if call.key is not None:
            return _repeatable(await _in_thread(service.answer_once, call, taken))
        picture = wants_picture(headers.get("accept", ""))
        answered, body = await _in_thread(_answer, asked, taken, picture)
    entry = records.entry(call, answered)
    if not journal.put(entry):
        await asyncio.to_thread(journal.put_waiting, entry)
    return _sent(prediction_id, body, picture)


def _answer(asked: Asked, taken: Taken, picture: bool) -> tuple[Answered, bytes]:
    answered = service.answered(asked, taken)
    return answered, answered.picture(asked) if picture else answered.body()


def _sent(prediction_id: str, body: bytes, picture: bool) -> Response:
    kind = "image/png" if picture else "application/json"
    headers = {"Content-Location": f"/v1/predictions/{prediction_id}", "Vary": "Accept"}
    return Response(body, media_type=kind, headers=headers)


def _accepted(reply: service.Reply) -> Response:
    headers = {"Location": reply.location or "", "Preference-Applied": "respond-async"}
    return Response(encode(reply.body), reply.status, headers, "application/json")


def _repeatable(reply: service.Reply) -> Response:
    """The reply to a request with an Idempotency-Key, now or again; always JSON."""
    if reply.location is not None:
        return _accepted(reply)
    return _sent(reply.body["prediction_id"], encode(reply.body), picture=False)


Endpoint = Callable[[Request, Clinician], Coroutine[Any, Any, Response]]


def _endpoint(task: Task) -> Endpoint:
    async def predict(request: Request, caller: Clinician) -> Response:
        return await _predict(task, request, caller)

    return predict


async def get_prediction(
    request: Request,
    caller: Viewer,
    prediction_id: Annotated[str, Path(max_length=64)],
    wait_s: Annotated[
        float, Query(ge=0, le=WAIT_MAX_S, description="Answers when it has ended, or after so long")
    ] = 0.0,
) -> Response:
    """A prediction by its id, in the envelope of its first reply, with its state."""
    until = time.monotonic() + wait_s
    pause = POLL_S[0]
    while True:
        kept = await asyncio.to_thread(service.get, caller.workspace, prediction_id)
        left = until - time.monotonic()
        if kept.state not in service.WAITING or left <= 0 or await request.is_disconnected():
            return respond(request, kept.envelope)
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 2, POLL_S[1])


def make_router(tasks: Sequence[Task]) -> APIRouter:
    """The router of these tasks; what has been answered is flushed when the app shuts down."""
    router = APIRouter(tags=["predictions"], lifespan=_flushed)
    for task in tasks:
        router.add_api_route(
            f"/v1/predictions/{task.name}",
            _endpoint(task),
            methods=["POST"],
            operation_id=f"predict_{task.name}",
            summary=task.question,
            response_model=schemas.reply_of(task),
            responses=schemas.responses(task),
            openapi_extra=schemas.operation(task),
        )
    known = ", ".join(task.name for task in tasks)

    @router.post("/v1/predictions/{task}", include_in_schema=False)
    async def predict_unknown(task: str) -> None:
        raise NotFound(f"there is no task {task[:64]!r}; there are {known}", code="unknown_task")

    router.add_api_route(
        "/v1/predictions/{prediction_id}",
        get_prediction,
        methods=["GET"],
        operation_id="get_prediction",
        summary="A prediction by its id",
        response_model=schemas.Envelope,
        responses=schemas.NO_PREDICTION,
    )
    return router
