"""The replies of predictions, one typed model per task, and the form that asks for one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from app.answers import problems
from app.predictions import examples
from app.predictions.kinds import VOLUMES
from models.task import Task

MADE = {"id": "prd_01k9…", "created_at": "2026-11-24T08:00:00Z", "created_by": "key_01k9…"}
MODEL = {"id": "mdl_01k9…", "digest": "sha256:5f2c…", "arm": "depth:6"}
POINT = {
    "name": "fpr=0.10", "threshold": 0.41, "sensitivity": 0.93, "specificity": 0.9,
    "low": 0.88, "high": 0.97,
}  # fmt: skip

VOLUME = {
    "kind": "dicom", "shape": [280, 512, 512], "spacing_mm": [1.0, 0.7, 0.7], "slices": 280,
    "sha256": "9f86d0…", "series_instance_uid": "1.2.826.0.1.3680043.8.498.1",
}  # fmt: skip
SEVERAL = (
    "the file holds 2 series (1.2.3.4.5: 280 slices; 1.2.3.4.6: 2 slices): name one, series_uid"
)

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


class VolumeInput(BaseModel):
    """The volume as it came, along (z, y, x) = slice, row, column."""

    kind: Literal["dicom", "nifti"]
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    slices: int = Field(ge=1, description="Those that `?slice=` may ask for, from 0 on")
    sha256: str
    series_instance_uid: str | None = None


class Progress(BaseModel):
    """How far a worker is, while it has a video or a volume."""

    stage: Literal["reading", "annotating", "vessels", "candidates", "scoring", "storing"]
    done: int = Field(ge=0, description="Frames, files of a series, patches scored")
    total: int | None = Field(ge=0, description="Null where nobody knows")


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
    input: Input | VolumeInput | None
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


def _name(task: Task) -> str:
    return "".join(word.capitalize() for word in task.name.split("_")) + "Prediction"


def reply_of(task: Task) -> type[BaseModel]:
    """The envelope whose finding has the type that the task declares."""
    return create_model(_name(task), __base__=Envelope, finding=(task.finding, ...))


def promise_of(task: Task) -> type[BaseModel]:
    """The resource of a task that always answers later, with the finding it will have."""
    finding: Any = task.finding | None
    return create_model(_name(task), __base__=Resource, finding=(finding, None))


def example(task: Task) -> dict[str, Any]:
    """A reply as the documentation shows it."""
    return {
        "prediction_id": "prd_01k9…", "state": "succeeded", "task": task.name,
        "model": MODEL, "operating_point": _point(task),
        "input": VOLUME if task.volumes else {"width": 640, "height": 480, "sha256": "9f86d0…"},
        "intended_use": "research use only", "warnings": [], "milliseconds": 14.2,
        "finding": examples.finding(task),
    }  # fmt: skip


def _point(task: Task) -> dict[str, Any]:
    """A point of the task with the price that applies, as `OperatingPoint.record` has it."""
    if not task.points:  # what it answers has no threshold
        return {"name": "highest_score", "threshold": None}
    name = task.points[0]
    shown = {**POINT, "name": name}
    price = name.partition("=")[0]
    if price in ("fp_per_image", "fp_per_volume"):
        del shown["specificity"]
        shown[price] = 0.09 if price == "fp_per_image" else 1.8
    return shown


def queued(task: Task) -> dict[str, Any]:
    nothing = dict.fromkeys(("operating_point", "input", "milliseconds", "finding", "progress"))
    return MADE | example(task) | nothing | {"state": "queued"}


def running(task: Task) -> dict[str, Any]:
    progress = {"stage": "scoring" if task.volumes else "reading", "done": 112, "total": 300}
    return queued(task) | {"state": "running", "progress": progress}


def failed(task: Task) -> dict[str, Any]:
    """The resource of a volume that cannot be answered for."""
    nothing = {"state": "failed", "progress": None}
    return queued(task) | nothing | {"failure": {"code": "several_series", "detail": SEVERAL}}


def watched(task: Task) -> dict[str, Any]:
    """The resource of a video that has been answered for."""
    seen = {
        "width": 640, "height": 480, "sha256": "9f86d0…", "frames": 1500, "duration_s": 60.0,
        "fps": 25.0, "container": "mp4", "codec": "h264",
    }  # fmt: skip
    found = {"input": seen, "milliseconds": 9120.4, "finding": examples.of_video(task)}
    return MADE | example(task) | found


NO_PREDICTION = {(404, "not_found"): "there is no prediction prd_01k9… in your workspace"}
NOT_READY = {
    **NO_PREDICTION,
    (404, "not_ready"): "it is running: there is nothing to show before it has succeeded",
}
NO_PICTURE = {
    **NOT_READY,
    (404, "not_a_volume"): "it is of an image: send that again with Accept: image/png for one",
    (404, "no_longer_kept"): "it is no longer kept: send the volume again",
    (422, "invalid"): "slice: 280: this volume has the slices 0 to 279",
}
NO_OUTPUT = {
    **NOT_READY,
    (404, "not_made"): "no annotated film was asked for: send the video again with annotated=true",
    (
        404,
        "not_a_video",
    ): "it is of an image: send that again with Accept: image/png for its picture",
    (404, "no_longer_kept"): "it is no longer kept: send the video again",
}
REFUSALS = {
    (400, "malformed_form"): "the multipart body is broken or ends too early",
    (404, "nothing_deployed"): "nothing is deployed as x-ray: PUT /v1/deployments/x-ray first",
    (409, "model_not_servable"): "model mdl_01k9… has no model.onnx, so it cannot answer",
    (413, "too_large"): "file is larger than the limit of 2147483648 bytes",
    (422, "unknown_operating_point"): "'fpr=0.5': neither a threshold from 0 to 1 nor one of …",
}
OF_IMAGES = {
    (415, "unsupported_media_type"): "this is a PDF; frame_quality answers for one image",
    (422, "unreadable_image"): "the image is damaged or incomplete",
}
OF_VOLUMES = {
    (415, "unsupported_media_type"): f"this is a PNG image; it answers for one volume ({VOLUMES})",
    (422, "invalid"): "series_uid: a SeriesInstanceUID: digits and dots, at most 64",
}
PICTURE = {"image/png": {"schema": {"type": "string", "format": "binary"}}}


def responses(task: Task) -> dict[int | str, dict[str, Any]]:
    """The replies beside the typed one: the picture, the promise, the problems."""
    promised: dict[int | str, dict[str, Any]] = {
        202: {
            "description": "Queued; ask at Location for the finding",
            "content": {"application/json": {"example": queued(task)}},
        },
    }
    if task.volumes:
        return promised | problems(REFUSALS | OF_VOLUMES)
    promised[202]["model"] = Resource
    answered = {"application/json": {"example": example(task)}, **PICTURE}
    return {200: {"content": answered}} | promised | problems(REFUSALS | OF_IMAGES)


def of_a_resource(tasks: Sequence[Task], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Replies of the routes that show a prediction: one of each kind, and the problem."""
    shown: dict[str, Any] = {}
    for task in tasks:
        if task.volumes:
            shown[f"a_volume_{task.name}"] = {"value": MADE | example(task)}
            shown[f"a_volume_in_work_{task.name}"] = {"value": running(task)}
            shown[f"a_volume_refused_{task.name}"] = {"value": failed(task)}
        else:
            shown.setdefault("an_image_answered", {"value": MADE | example(task)})
        if task.video:
            shown[f"a_video_{task.name}"] = {"value": watched(task)}
            shown[f"a_video_in_work_{task.name}"] = {"value": running(task)}
    if status != 200:
        ok = {"content": {"application/json": {"examples": shown}}}
        return {status: ok, **problems(NO_PREDICTION)}
    ok = {"content": {"application/json": {"examples": shown}, **PICTURE}}
    return {status: ok, **problems(NO_PICTURE)}
