"""How a prediction is asked for, as OpenAPI shows it: the multipart form and the headers."""

from typing import Any

from app.predictions.kinds import VIDEOS, VOLUMES, takes_frames
from app.predictions.options import SPACING_MAX_MM, STRIDE_MAX, UID_MAX
from models.task import Task

TEXT = {"type": "string", "maxLength": 128}
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


VOLUME_FIELDS = {
    "series_uid": {
        "type": "string",
        "maxLength": UID_MAX + 7,
        "description": "The SeriesInstanceUID that is meant, where the file holds several series",
    },
}
IMAGE_FIELDS = {
    "spacing_mm": TEXT | {"description": f"mm per pixel, or row,column; to {SPACING_MAX_MM:g}"},
    "roi_px": TEXT | {
        "description": "Where to look, in the oriented image: `x0,y0,x1,y1` of a box (two opposite "
        "corners), or `x0,y0;x1,y1` of two points on what is meant, such as a wall",
    },
}  # fmt: skip


def form(task: Task) -> dict[str, Any]:
    """The multipart form, written by hand: it is read as a stream, which FastAPI cannot know."""
    points = ", ".join(f"`{point}`" for point in (*task.points, "all"))
    properties = {
        "file": {
            "type": "string",
            "format": "binary",
            "description": _file(task),
        },
        "deployment": TEXT | {"description": f"Name of a deployment; default `{task.name}`"},
        "model_id": TEXT | {"description": "A model to ask instead of a deployment"},
        "operating_point": TEXT
        | {"description": f"A point of the model's card ({points}) or a threshold from 0 to 1"},
    }
    properties |= VOLUME_FIELDS if task.volumes else IMAGE_FIELDS
    if task.video:
        properties |= VIDEO_FIELDS
    schema = {"type": "object", "required": ["file"], "properties": properties}
    shown = {"deployment": task.name}
    shown |= {"operating_point": task.points[0]} if task.volumes else {"spacing_mm": "0.06"}
    content = {"multipart/form-data": {"schema": schema, "example": shown}}
    return {"required": True, "content": content}


def _file(task: Task) -> str:
    if task.volumes:
        return f"One volume: {VOLUMES}"
    if takes_frames(task):
        return "One image; or one DICOM file of one ultrasound frame, which brings its spacing"
    too = f", or a video ({VIDEOS}) with its finding later" if task.video else ""
    return f"One image{too}"


def header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name, "in": "header", "required": False, "description": description,
        "schema": {"type": "string", "maxLength": 255, **schema},
    }  # fmt: skip


HEADERS = [
    header("Prefer", "`respond-async`: 202 at once, the finding later"),
    header("Idempotency-Key", "The same key with the same form replays the first reply, as JSON"),
]


def operation(task: Task) -> dict[str, Any]:
    """What FastAPI cannot see of the operation: its form and its headers."""
    return {"requestBody": form(task), "parameters": HEADERS}
