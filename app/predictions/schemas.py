"""The replies of predictions, one typed model per task, and the form that asks for one."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from app.answers import problems
from app.predictions.options import SPACING_MAX_MM
from models.findings import ClassFinding
from models.task import Task

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
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    sha256: str


class Remark(BaseModel):
    code: str
    detail: str


class Envelope(BaseModel):
    """What every prediction's reply holds around its finding; null where there is none yet."""

    prediction_id: str
    state: Literal["queued", "running", "succeeded", "failed"]
    task: str
    model: ModelRef | None
    operating_point: Point | None
    input: Input | None
    intended_use: Literal["research use only"]
    warnings: list[Remark]
    milliseconds: float | None = Field(ge=0)
    finding: Any = None
    failure: Remark | None = None


def reply_of(task: Task) -> type[BaseModel]:
    """The envelope whose finding has the type that the task declares."""
    name = "".join(word.capitalize() for word in task.name.split("_")) + "Prediction"
    return create_model(name, __base__=Envelope, finding=(task.finding, ...))


def example(task: Task) -> dict[str, Any]:
    """A reply as the documentation shows it; the finding only where its type is known here."""
    reply: dict[str, Any] = {
        "prediction_id": "prd_01k9…", "state": "succeeded", "task": task.name,
        "model": MODEL, "operating_point": POINT,
        "input": {"width": 640, "height": 480, "sha256": "9f86d0…"},
        "intended_use": "research use only", "warnings": [], "milliseconds": 14.2,
    }  # fmt: skip
    if task.finding is ClassFinding:
        first, second = (*task.classes, "benign", "malignant")[:2]
        scores = {first: 0.91, second: 0.09}
        reply["finding"] = {"label": first, "score": 0.91, "scores": scores}
    return reply


def form(task: Task) -> dict[str, Any]:
    """The multipart form, written by hand: it is read as a stream, which FastAPI cannot know."""
    points = ", ".join(f"`{point}`" for point in (*task.points, "all"))
    text = {"type": "string", "maxLength": 128}
    properties = {
        "file": {"type": "string", "format": "binary", "description": "One image"},
        "deployment": text | {"description": f"Name of a deployment; default `{task.name}`"},
        "model_id": text | {"description": "A model to ask instead of a deployment"},
        "operating_point": text
        | {"description": f"A point of the model's card ({points}) or a threshold from 0 to 1"},
        "spacing_mm": text | {"description": f"mm per pixel, or row,column; to {SPACING_MAX_MM:g}"},
        "roi_px": text | {"description": "`x0,y0,x1,y1`, half-open, in the oriented image"},
    }
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
NO_PREDICTION = problems({(404, "not_found"): "there is no prediction prd_01k9… in your workspace"})
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
    queued = example(task) | dict.fromkeys(
        ("operating_point", "input", "milliseconds", "finding")
    )  # fmt: skip
    queued["state"] = "queued"
    picture = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
    found: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/json": {"example": example(task)}, **picture}},
        202: {
            "model": Envelope, "description": "Queued; ask at Location for the finding",
            "content": {"application/json": {"example": queued}},
        },
    }  # fmt: skip
    return found | PROBLEMS


def operation(task: Task) -> dict[str, Any]:
    """What FastAPI cannot see of the operation: its form and its headers."""
    return {"requestBody": form(task), "parameters": HEADERS}
