"""The replies of predictions, one typed model per task, and the form that asks for one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from app.answers import problems
from app.predictions import examples
from app.predictions.options import SPACING_MAX_MM, STRIDE_MAX
from models.task import Task

MADE = {"id": "prd_01k9…", "created_at": "2026-11-24T08:00:00Z", "created_by": "key_01k9…"}
MODEL = {"id": "mdl_01k9…", "digest": "sha256:5f2c…", "arm": "depth:6"}
POINT = {
    "name": "fpr=0.10", "threshold": 0.41, "sensitivity": 0.93, "specificity": 0.9,
    "low": 0.88, "high": 0.97,
}  # fmt: skip


Share = Annotated[float, Field(ge=0, le=1)]


class ModelRef(BaseModel):
    id: str
    digest: str | None = Field(None, description="SHA-256 of model.onnx")
    arm: str | None = None


class Point(BaseModel):
    """The threshold that was applied, and what it buys on validation (95 % interval)."""

    name: str = Field(description="A point of the card, `threshold`, `all` or `highest_score`")
    threshold: Share | None
    sensitivity: Share | None = None
    specificity: Share | None = None
    fp_per_image: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Mean false positives per image; of what is detected, in its place"
    )
    fp_per_volume: Annotated[float, Field(ge=0)] | None = None
    low: Share | None = None
    high: Share | None = None
    reason: str | None = None


class Input(BaseModel):
    """The file as it came; the fields from `frames` on are those of a video."""

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    sha256: str
    frames: int | None = Field(None, ge=0, description="In the file, read or not")
    duration_s: float | None = Field(None, ge=0)
    fps: float | None = Field(None, gt=0, description="Frames per second on the mean")
    container: str | None = None
    codec: str | None = None


class Progress(BaseModel):
    """How far a worker is, while it has a video."""

    stage: Literal["reading", "annotating", "storing"]
    done: int = Field(ge=0, description="Frames")
    total: int | None = Field(ge=0, description="Null where the file does not say it")


class Remark(BaseModel):
    code: str
    detail: str


class Envelope(BaseModel):
    """What every prediction's reply holds around its finding; null where there is none yet."""

    prediction_id: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    task: str
    model: ModelRef | None
    operating_point: Point | None
    input: Input | None
    intended_use: Literal["research use only"]
    warnings: list[Remark]
    milliseconds: float | None = Field(ge=0)
    finding: Any = None
    failure: Remark | None = None


class Resource(Envelope):
    """A prediction as it is kept. The finding of a video has, beside a summary, every frame that
    was read: without its mask, which an image of that frame alone would be answered with.
    """

    id: str
    created_at: datetime
    created_by: str
    progress: Progress | None = None


def reply_of(task: Task) -> type[BaseModel]:
    """The envelope whose finding has the type that the task declares."""
    name = "".join(word.capitalize() for word in task.name.split("_")) + "Prediction"
    return create_model(name, __base__=Envelope, finding=(task.finding, ...))


def example(task: Task) -> dict[str, Any]:
    """A reply as the documentation shows it."""
    return {
        "prediction_id": "prd_01k9…", "state": "succeeded", "task": task.name,
        "model": MODEL, "operating_point": _point(task),
        "input": {"width": 640, "height": 480, "sha256": "9f86d0…"},
        "intended_use": "research use only", "warnings": [], "milliseconds": 14.2,
        "finding": examples.finding(task),
    }  # fmt: skip


def _point(task: Task) -> dict[str, Any]:
    """A point of the task with the price that applies, as `OperatingPoint.record` has it."""
    name = task.points[0] if task.points else "highest_score"
    shown = {**POINT, "name": name}
    if name.startswith("fp_per_image"):
        del shown["specificity"]
        shown["fp_per_image"] = 0.09
    return shown


def queued(task: Task) -> dict[str, Any]:
    nothing = dict.fromkeys(("operating_point", "input", "milliseconds", "finding", "progress"))
    return MADE | example(task) | nothing | {"state": "queued"}


def running(task: Task) -> dict[str, Any]:
    progress = {"stage": "reading", "done": 112, "total": 300}
    return queued(task) | {"state": "running", "progress": progress}


def watched(task: Task) -> dict[str, Any]:
    """The resource of a video that has been answered for."""
    seen = {
        "width": 640, "height": 480, "sha256": "9f86d0…", "frames": 1500, "duration_s": 60.0,
        "fps": 25.0, "container": "mp4", "codec": "h264",
    }  # fmt: skip
    found = {"input": seen, "milliseconds": 9120.4, "finding": examples.of_video(task)}
    return MADE | example(task) | found


VIDEO_FIELDS = {
    "stride": {
        "type": "integer", "minimum": 1, "maximum": STRIDE_MAX,
        "description": "Of a video: every n-th frame is read; default: about five of each second",
    },
    "annotated": {
        "type": "boolean", "default": False,
        "description": "Of a video: also make an mp4 with the finding drawn into it",
    },
}  # fmt: skip


def form(task: Task) -> dict[str, Any]:
    """The multipart form, written by hand: it is read as a stream, which FastAPI cannot know."""
    points = ", ".join(f"`{point}`" for point in (*task.points, "all"))
    text = {"type": "string", "maxLength": 128}
    properties = {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "One image, or a video (mp4, mov, avi, mkv, webm) with its finding later"
            if task.video
            else "One image",
        },
        "deployment": text | {"description": f"Name of a deployment; default `{task.name}`"},
        "model_id": text | {"description": "A model to ask instead of a deployment"},
        "operating_point": text
        | {"description": f"A point of the model's card ({points}) or a threshold from 0 to 1"},
        "spacing_mm": text | {"description": f"mm per pixel, or row,column; to {SPACING_MAX_MM:g}"},
        "roi_px": text | {"description": "`x0,y0,x1,y1`, half-open, in the oriented image"},
    }
    if task.video:
        properties |= VIDEO_FIELDS
    schema = {"type": "object", "required": ["file"], "properties": properties}
    shown = {"deployment": task.name, "spacing_mm": "0.06"}
    content = {"multipart/form-data": {"schema": schema, "example": shown}}
    return {"required": True, "content": content}


def header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name, "in": "header", "required": False, "description": description,
        "schema": {"type": "string", "maxLength": 255, **schema},
    }  # fmt: skip


HEADERS = [
    header("Prefer", "`respond-async`: 202 at once, the finding later"),
    header("Idempotency-Key", "The same key with the same form replays the first reply, as JSON"),
]
NO_PREDICTION = {(404, "not_found"): "there is no prediction prd_01k9… in your workspace"}
NO_OUTPUT = {
    **NO_PREDICTION,
    (404, "not_ready"): "it is running: there is nothing to show before it has succeeded",
    (404, "not_made"): "no annotated film was asked for: send the video again with annotated=true",
    (
        404,
        "not_a_video",
    ): "it is of an image: send that again with Accept: image/png for its picture",
    (404, "no_longer_kept"): "it is no longer kept: send the video again",
}
PROBLEMS = problems(
    {
        (400, "malformed_form"): "the multipart body is broken or ends too early",
        (404, "nothing_deployed"): "nothing is deployed as x-ray: PUT /v1/deployments/x-ray first",
        (409, "model_not_servable"): "model mdl_01k9… has no model.onnx, so it cannot answer",
        (413, "too_large"): "file is larger than the limit of 2147483648 bytes",
        (415, "unsupported_media_type"): "this is a PDF; frame_quality answers for one image",
        (422, "unreadable_image"): "the image is damaged or incomplete",
        (422, "unknown_operating_point"): "'fpr=0.5': neither a threshold from 0 to 1 nor one of …",
    }
)


def responses(task: Task) -> dict[int | str, dict[str, Any]]:
    """The replies beside the typed one: the picture, the promise, the problems."""
    picture = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
    found: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/json": {"example": example(task)}, **picture}},
        202: {
            "model": Resource, "description": "Queued; ask at Location for the finding",
            "content": {"application/json": {"example": queued(task)}},
        },
    }  # fmt: skip
    return found | PROBLEMS


def of_a_resource(tasks: Sequence[Task], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Replies of the routes that show a prediction: one of each kind, and the problem."""
    shown = {"an_image_answered": {"value": MADE | example(tasks[0])}}
    for task in tasks:
        if task.video:
            shown[f"a_video_{task.name}"] = {"value": watched(task)}
            shown[f"a_video_in_work_{task.name}"] = {"value": running(task)}
    ok = {"content": {"application/json": {"examples": shown}}}
    return {status: ok, **problems(NO_PREDICTION)}


def operation(task: Task) -> dict[str, Any]:
    """What FastAPI cannot see of the operation: its form and its headers."""
    return {"requestBody": form(task), "parameters": HEADERS}
