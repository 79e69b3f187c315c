"""Sweeps and runs over HTTP."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BeforeValidator, Field
from starlette.concurrency import run_in_threadpool

from app import idempotency
from app.answers import again, created, problems
from app.db.session import reading
from app.deps import (
    BodyDigest,
    Caller,
    Cursor,
    FilesDep,
    IdempotencyKey,
    Limit,
    ReadSession,
    Researcher,
    Viewer,
    WriteSession,
    unchanged,
)
from app.idempotency import Asked
from app.pages import page
from app.replies import respond, tagged
from app.sweeps import events, exports, schemas, service
from app.sweeps.asked import SweepRequest

router = APIRouter(tags=["sweeps"])

Id = Annotated[str, Path(max_length=64, description="`swp_…`")]
RunId = Annotated[str, Path(max_length=64, description="`run_…`")]
MISSING = {(404, "not_found"): "there is no sweep 'swp_01k9'"}
NO_RUN = {(404, "not_found"): "there is no run 'run_01k9'"}
CREATE = "create_sweep"
EVENTS_MAX = 10_000
EventId = Annotated[int, Field(ge=0, le=2**62)]


@router.post(
    "/v1/sweeps",
    operation_id=CREATE,
    status_code=202,
    response_model=schemas.Sweep,
    responses={
        200: {"model": schemas.Estimate, "description": "A dry run: nothing was started"},
        **problems(
            {
                (404, "not_found"): "there is no data set 'ds_01k9'",
                (409, "dataset_not_ready"): "data set ds_01k9 is checking: wait until it is ready",
                (422, "invalid"): "the sweep cannot be started as asked",
                (422, "weights_unavailable"): "weights of resnet50 are not on this machine",
                (422, "below_floor"): "2 classes of 10 cases are needed; found: benign 40",
            }
        ),
    },
)
def create_sweep(
    request: Request,
    caller: Researcher,
    session: WriteSession,
    asked: SweepRequest,
    body: BodyDigest,
    key: IdempotencyKey = None,
) -> Response:
    """Starts a sweep over tuning depths, or with `dry_run` says what it would take."""
    if asked.dry_run:
        unchanged(session)
        return respond(request, service.estimate(session, caller.workspace, asked))
    wanted = Asked(caller, CREATE, key, body)
    if (found := idempotency.replay(session, wanted)) is not None:
        unchanged(session)
        return again(found)
    row = service.create(session, caller, asked)
    view = service.view(session, row)
    return created(request, session, wanted, view, f"/v1/sweeps/{row.id}", 202)


@router.get("/v1/sweeps", operation_id="list_sweeps", response_model=schemas.SweepPage)
def list_sweeps(
    request: Request,
    caller: Viewer,
    session: ReadSession,
    dataset_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first."""
    query = service.query(caller.workspace, dataset_id)
    rows, following = page(session, query, service.ORDER, cursor, limit)
    items = service.views(session, rows)
    return respond(request, schemas.SweepPage(items=items, next_cursor=following))


@router.get(
    "/v1/sweeps/{sweep_id}",
    operation_id="get_sweep",
    response_model=schemas.Sweep,
    responses=problems(MISSING),
)
def get_sweep(request: Request, caller: Viewer, session: ReadSession, sweep_id: Id) -> Response:
    """State, progress, every run, and the recommendation once there is one."""
    row = service.get(session, caller.workspace, sweep_id)
    return respond(request, service.view(session, row))


@router.get(
    "/v1/sweeps/{sweep_id}/events",
    operation_id="list_sweep_events",
    response_model=list[schemas.Event],
    responses={
        200: {
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'id: 41\nevent: run\ndata: {"id":41,"kind":"run","data":{}}\n\n',
                }
            },
            "description": "JSON, or with `Accept: text/event-stream` the events as they come",
        },
        **problems(MISSING),
    },
)
async def list_sweep_events(
    request: Request,
    caller: Viewer,
    sweep_id: Id,
    after: Annotated[EventId, Query(description="Only events with a larger id")] = 0,
    limit: Annotated[int, Query(ge=1, le=EVENTS_MAX)] = EVENTS_MAX,
    last_event_id: Annotated[
        EventId | None,
        BeforeValidator(lambda given: given or None),  # empty: nothing has been seen yet
        Header(description="As `after`; sent by a reconnecting client"),
    ] = None,
    accept: Annotated[str, Header(max_length=1000, include_in_schema=False)] = "",
) -> Response:
    """What happened, in order. The stream replays, follows, and ends after the last event."""
    start = after if last_event_id is None else last_event_id
    if "text/event-stream" not in accept.lower():
        return await run_in_threadpool(_listed, request, caller, sweep_id, start, limit)
    await run_in_threadpool(_check, caller, sweep_id)
    return StreamingResponse(
        events.stream(sweep_id, start, _look, request.is_disconnected),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _look(sweep_id: str, after: int) -> tuple[list[schemas.Event], bool]:
    return await run_in_threadpool(events.look, sweep_id, after)


def _check(caller: Caller, sweep_id: str) -> None:
    with reading() as session:
        service.get(session, caller.workspace, sweep_id)


def _listed(request: Request, caller: Caller, sweep_id: str, after: int, limit: int) -> Response:
    with reading() as session:
        row = service.get(session, caller.workspace, sweep_id)
        return respond(request, events.since(session, row.id, after, limit))


def _plot(media_type: str) -> dict[int | str, dict[str, Any]]:
    described = "The headline against depth"
    return {200: {"content": {media_type: {}}, "description": described}, **problems(MISSING)}


def _drawn(
    caller: Caller, session: ReadSession, sweep_id: str, kind: Literal["svg", "png"]
) -> bytes:
    row = service.get(session, caller.workspace, sweep_id)
    return exports.plot(service.view(session, row), kind)


@router.get(
    "/v1/sweeps/{sweep_id}/plot.svg",
    operation_id="get_sweep_plot",
    response_class=Response,
    responses=_plot("image/svg+xml"),
)
def get_sweep_plot(
    request: Request, caller: Viewer, session: ReadSession, sweep_id: Id
) -> Response:
    """The headline against depth with intervals; scratch and the choice are marked."""
    return tagged(request, _drawn(caller, session, sweep_id, "svg"), "image/svg+xml")


@router.get(
    "/v1/sweeps/{sweep_id}/plot.png",
    operation_id="get_sweep_plot_png",
    response_class=Response,
    responses=_plot("image/png"),
)
def get_sweep_plot_png(
    request: Request, caller: Viewer, session: ReadSession, sweep_id: Id
) -> Response:
    """The same plot as pixels."""
    return tagged(request, _drawn(caller, session, sweep_id, "png"), "image/png")


def _told(
    request: Request, caller: Caller, session: WriteSession, sweep_id: str, act: Callable[..., None]
) -> Response:
    row = service.get(session, caller.workspace, sweep_id)
    act(session, row)
    session.refresh(row)
    return respond(request, service.view(session, row), 202, {"Location": f"/v1/sweeps/{row.id}"})


@router.post(
    "/v1/sweeps/{sweep_id}/cancel",
    operation_id="cancel_sweep",
    status_code=202,
    response_model=schemas.Sweep,
    responses=problems(MISSING),
)
def cancel_sweep(
    request: Request, caller: Researcher, session: WriteSession, sweep_id: Id
) -> Response:
    """Stops the sweep; finished runs and the best so far are kept. Again changes nothing."""
    return _told(request, caller, session, sweep_id, service.cancel)


@router.post(
    "/v1/sweeps/{sweep_id}/pause",
    operation_id="pause_sweep",
    status_code=202,
    response_model=schemas.Sweep,
    responses=problems(MISSING),
)
def pause_sweep(
    request: Request, caller: Researcher, session: WriteSession, sweep_id: Id
) -> Response:
    """Holds the sweep at its last checkpoints. Again, or after its end, changes nothing."""
    return _told(request, caller, session, sweep_id, service.pause)


@router.post(
    "/v1/sweeps/{sweep_id}/resume",
    operation_id="resume_sweep",
    status_code=202,
    response_model=schemas.Sweep,
    responses=problems(MISSING),
)
def resume_sweep(
    request: Request, caller: Researcher, session: WriteSession, sweep_id: Id
) -> Response:
    """Lets a held sweep go on. Changes nothing where it is not held."""
    return _told(request, caller, session, sweep_id, service.resume)


@router.get(
    "/v1/runs/{run_id}",
    operation_id="get_run",
    response_model=schemas.Run,
    responses=problems(NO_RUN),
)
def get_run(request: Request, caller: Viewer, session: ReadSession, run_id: RunId) -> Response:
    """One run: its plan by layer, every epoch, the freeze proof, and why it failed if it did."""
    row = service.get_run(session, caller.workspace, run_id)
    return respond(request, service.view_run(session, row))


@router.get(
    "/v1/runs/{run_id}/predictions.csv",
    operation_id="get_run_predictions",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "run_id,case,subject,part,truth,score_benign,score_malignant\r\n",
                }
            },
            "description": "A line per case; of label maps per class, of detections per candidate",
        },
        **problems({**NO_RUN, (409, "no_predictions"): "run run_01k9 is queued"}),
    },
)
def get_run_predictions(
    caller: Viewer, session: ReadSession, files: FilesDep, run_id: RunId
) -> Response:
    """Truth and scores of every case: validation and, once opened, test; for own statistics."""
    row = service.get_run(session, caller.workspace, run_id)
    found = exports.parts(row, files)
    return StreamingResponse(
        exports.table(row.id, service.task_of(session, row), found),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{row.id}.csv"'},
    )
