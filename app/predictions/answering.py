"""One image answered: bytes in, the reply's envelope out; the same for a request and a job."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import cv2

from app.errors import Problem, Unprocessable
from app.predictions.kinds import Kind, check_image
from app.predictions.options import Options
from app.predictions.serving import Serving
from app.settings import settings
from models.case import Pixels
from models.findings import OperatingPoint
from models.imaging import frames
from models.inference.predict import Answer, labels_of, predict
from models.pictures import finding_picture
from models.task import Task

INTENDED_USE = "research use only"
HIGHEST = "highest_score"  # the rule where no threshold applies
# Of an option that had no part in an answer; roi_px counts as `roi` since the first release.
WHY = {
    "roi": "roi_px has no part in this task, which looks at the whole {kind}",
    "spacing_mm": "a {kind} says its own spacing",
    "stride": "{kind}s have no frames to choose from",
    "annotated": "only of a video a film is made",
    "series_uid": "{kind}s have no series to choose from",
}

# One image at a time per thread, and the threads are sized to the cores: OpenCV's own would
# only take turns with the network's.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Asked:
    """A prediction asked for: `begun` is time.perf_counter() when its request came."""

    id: str
    task: Task
    options: Options
    serving: Serving
    begun: float


@dataclass(frozen=True)
class Answered:
    """The envelope as it is sent and stored, and what is needed to draw it."""

    envelope: dict[str, Any]
    pixels: Pixels
    answer: Answer

    def body(self) -> bytes:
        return encode(self.envelope)

    def picture(self, asked: Asked) -> bytes:
        """The finding drawn into its image, PNG."""
        labels = labels_of(asked.serving.card)
        drawn: bytes = finding_picture(self.pixels, self.answer.finding, labels, self.answer.point)
        return drawn


def encode(envelope: dict[str, Any]) -> bytes:
    return json.dumps(envelope, separators=(",", ":"), allow_nan=False, default=float).encode()


def decoded(data: bytes, task: Task) -> tuple[Pixels, tuple[str, ...]]:
    """Pixels and what was done to get them. Raises Unprocessable or UnsupportedMedia."""
    check_image(data, task)
    try:
        return frames.decode(data, settings().image_max_pixels)
    except frames.UnreadableError as error:
        pointed = {"pointer": "#/file", "detail": f"{error.code}: {error.detail}"}
        raise Unprocessable("unreadable_image", error.detail, [pointed]) from error


def answer(asked: Asked, data: bytes) -> Answered:
    """The whole work on one image. Raises a Problem for what the caller got wrong."""
    point = asked.serving.point_for(asked.options.operating_point)
    pixels, notes = decoded(data, asked.task)
    height, width = pixels.shape[:2]
    asked.options.check_roi(width, height)
    serving = asked.serving
    found = predict(
        asked.task, serving.network(), serving.card, pixels, point, asked.options.spacing_mm
    )
    seen = {"width": width, "height": height, "sha256": hashlib.sha256(data).hexdigest()}
    shown = point_shown(found.point)
    changed = [
        {"code": note, "detail": f"changed before it was read: {note.replace('_', ' ')}"}
        for note in notes
    ]
    warnings = changed + remarks(asked, "image")
    return Answered(enveloped(asked, shown, seen, warnings, asdict(found.finding)), pixels, found)


def enveloped(
    asked: Asked, point: dict[str, Any], seen: dict[str, Any], warnings: list[dict[str, str]],
    finding: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The reply around a finding, of an image and of a video alike."""
    return {
        "prediction_id": asked.id,
        "state": "succeeded",
        "task": asked.task.name,
        "model": model_of(asked.serving),
        "operating_point": point,
        "input": seen,
        "intended_use": INTENDED_USE,
        "warnings": warnings,
        "milliseconds": round((time.perf_counter() - asked.begun) * 1e3, 2),
        "finding": finding,
    }


def model_of(serving: Serving) -> dict[str, Any]:
    return {"id": serving.model_id, "digest": serving.digest, "arm": serving.card.get("arm")}


def point_shown(point: OperatingPoint | None) -> dict[str, Any]:
    return (point or OperatingPoint(name=HIGHEST, threshold=None)).record()


def remarks(asked: Asked, kind: Kind) -> list[dict[str, str]]:
    """Options that had no part in the answer, and why."""
    found = [(name, WHY[name].format(kind=kind)) for name in asked.options.unused(kind)]
    return [{"code": f"{name}_not_used", "detail": why} for name, why in found]


def failure_of(problem: Problem) -> dict[str, str]:
    return {"code": problem.code, "detail": problem.detail}
