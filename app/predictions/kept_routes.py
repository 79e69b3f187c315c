"""A prediction by its id: the resource, the wish to stop it, the pictures and the film of it."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app import ranged
from app.deps import Clinician, FilesDep, Viewer
from app.predictions import kept, schemas
from app.predictions.options import wants_picture
from app.predictions.schemas import NO_OUTPUT, NO_PICTURE
from app.predictions.videos import ANNOTATED, TIMELINE
from app.predictions.volumes import OVERVIEW
from app.ranged import Range
from app.replies import respond, tagged
from app.storage import Files
from models.task import Task

WAIT_MAX_S = 60.0
PNG, MP4 = "image/png", "video/mp4"
SLICES_MAX = 100_000
POLL_S = (0.05, 0.5)  # first and longest pause between two looks at a row

Id = Annotated[str, Path(max_length=64, description="`prd_…`")]
Slice = Annotated[
    int | None,
    Query(ge=0, le=SLICES_MAX, alias="slice", description="Of a volume: this slice as a picture"),
]


async def get_prediction(
    request: Request,
    caller: Viewer,
    files: FilesDep,
    prediction_id: Id,
    wait_s: Annotated[
        float, Query(ge=0, le=WAIT_MAX_S, description="Answers when it has ended, or after so long")
    ] = 0.0,
    slice_: Slice = None,
) -> Response:
    """A prediction in the envelope of its first reply, with its state, and its progress while a
    worker has it. Of a volume also as a picture, with `Accept: image/png` or `?slice=`.
    """
    until = time.monotonic() + wait_s
    pause = POLL_S[0]
    while True:
        found = await asyncio.to_thread(kept.get, caller.workspace, prediction_id)
        left = until - time.monotonic()
        if found.state not in kept.WAITING or left <= 0 or await request.is_disconnected():
            break
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 2, POLL_S[1])
    pictured = found.of == "volume" and wants_picture(request.headers.get("accept", ""))
    if pictured or slice_ is not None:
        place = (caller.workspace, prediction_id, slice_)
        return await asyncio.to_thread(_picture, request, files, *place)
    return respond(request, found.envelope, headers={"Vary": "Accept"})


def _picture(
    request: Request, files: Files, workspace: str, prediction_id: str, slice_: int | None
) -> Response:
    """The overview as it is kept, or one slice drawn now."""
    found = kept.picture(workspace, prediction_id, slice_)
    if isinstance(found, bytes):
        return tagged(request, found, PNG, headers={"Vary": "Accept"})
    named = f'inline; filename="{prediction_id}-{OVERVIEW}"'
    return ranged.sent(request, files, found, PNG, named)


def cancel_prediction(request: Request, caller: Clinician, prediction_id: Id) -> Response:
    """One that waits is cancelled at once, one in a worker's hands within a second or two, one
    that has ended stays as it is.
    """
    found = kept.cancel(caller, prediction_id, request.state.request_id)
    return respond(request, found.envelope, 202)


def get_timeline(
    request: Request, caller: Viewer, files: FilesDep, prediction_id: Id, _: Range = None
) -> Response:
    """The score over time, what was seen when, and the best frames."""
    facts = kept.output(caller.workspace, prediction_id, TIMELINE)
    named = f'inline; filename="{prediction_id}-{TIMELINE}"'
    return ranged.sent(request, files, facts, PNG, named)


def get_annotated(
    request: Request, caller: Viewer, files: FilesDep, prediction_id: Id, _: Range = None
) -> Response:
    """Made where it was asked for with `annotated=true`; without sound."""
    facts = kept.output(caller.workspace, prediction_id, ANNOTATED)
    named = f'inline; filename="{prediction_id}-{ANNOTATED}"'
    return ranged.sent(request, files, facts, MP4, named)


def get_overview(
    request: Request,
    caller: Viewer,
    files: FilesDep,
    prediction_id: Id,
    slice_: Slice = None,
    _: Range = None,
) -> Response:
    """What was found in a volume, or one slice of it with what was found there."""
    return _picture(request, files, caller.workspace, prediction_id, slice_)


def make_router(tasks: Sequence[Task]) -> APIRouter:
    """The routes of a prediction that is there, with an example of what each task finds."""
    router, path = APIRouter(), "/v1/predictions/{prediction_id}"
    router.add_api_route(
        path,
        get_prediction,
        methods=["GET"],
        operation_id="get_prediction",
        summary="A prediction by its id",
        response_model=schemas.Resource,
        responses=schemas.of_a_resource(tasks),
    )
    router.add_api_route(
        f"{path}/cancel",
        cancel_prediction,
        methods=["POST"],
        operation_id=kept.CANCEL,
        summary="Stops a prediction",
        status_code=202,
        response_model=schemas.Resource,
        responses=schemas.of_a_resource(tasks, 202),
    )
    for name, kind, endpoint, says, problems in (
        (TIMELINE, PNG, get_timeline, "A video's finding as a picture", NO_OUTPUT),
        (ANNOTATED, MP4, get_annotated, "The video with its finding drawn into it", NO_OUTPUT),
        (OVERVIEW, PNG, get_overview, "A volume's finding as a picture", NO_PICTURE),
    ):
        router.add_api_route(
            f"{path}/{name}",
            endpoint,
            methods=["GET"],
            operation_id=f"get_prediction_{name.partition('.')[0]}",
            summary=says,
            response_class=Response,
            responses=ranged.documented(kind, problems),
        )
    return router
