"""The prediction endpoints, one concrete path for every task that the science knows."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response

from app.deps import Caller, Clinician
from app.errors import NotFound
from app.predictions import asking, kept_routes, records, schemas, service
from app.predictions.answering import Answered, Asked, encode
from app.predictions.form import Taken, take
from app.predictions.journal import journal
from app.predictions.kinds import Kind
from app.predictions.options import idempotency_key, options, prefers_async, wants_picture
from app.predictions.records import Call
from app.predictions.serving import resolved
from app.settings import settings
from models.task import Task

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


async def _predict(task: Task, request: Request, caller: Caller) -> Response:
    """Answers one image, or promises to answer. The key was checked before the body (app.gate)."""
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
        preferred = prefers_async(headers.get("prefer", ""))
        kind = await _kind(task, prediction_id, taken)
        if preferred or kind != "image":
            reply = await _in_thread(service.enqueue, call, taken, kind)
            if not reply.again:
                keep()
            return _accepted(reply, preferred=preferred)
        if call.key is not None:
            return _repeatable(await _in_thread(service.answer_once, call, taken))
        picture = wants_picture(headers.get("accept", ""))
        answered, body = await _in_thread(_answer, asked, taken, picture)
    entry = records.entry(call, answered)
    if not journal.put(entry):
        await asyncio.to_thread(journal.put_waiting, entry)
    return _sent(prediction_id, body, picture)


async def _kind(task: Task, prediction_id: str, taken: Taken) -> Kind:
    """Told from memory at once; what was streamed away is looked at in a thread."""
    if taken.data is not None:
        return service.kind_sent(task, prediction_id, taken)
    return await _in_thread(service.kind_sent, task, prediction_id, taken)


def _answer(asked: Asked, taken: Taken, picture: bool) -> tuple[Answered, bytes]:
    answered = service.answered(asked, taken)
    return answered, answered.picture(asked) if picture else answered.body


def _sent(prediction_id: str, body: bytes, picture: bool) -> Response:
    kind = "image/png" if picture else "application/json"
    headers = {"Content-Location": f"/v1/predictions/{prediction_id}", "Vary": "Accept"}
    return Response(body, media_type=kind, headers=headers)


def _accepted(reply: service.Reply, *, preferred: bool = True) -> Response:
    headers = {"Location": reply.location or ""}
    if preferred:
        headers["Preference-Applied"] = "respond-async"
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
            status_code=202 if task.volumes else 200,
            response_model=schemas.promise_of(task) if task.volumes else schemas.reply_of(task),
            responses=schemas.responses(task),
            openapi_extra=asking.operation(task),
        )
    known = ", ".join(task.name for task in tasks)

    @router.post("/v1/predictions/{task}", include_in_schema=False)
    async def predict_unknown(task: str) -> None:
        raise NotFound(f"there is no task {task[:64]!r}; there are {known}", code="unknown_task")

    router.include_router(kept_routes.make_router(tasks))
    return router
