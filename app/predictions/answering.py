"""One image answered: bytes in, the reply's envelope out; the same for a request and a job."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2

from app.errors import Problem, Unprocessable, UnsupportedMedia
from app.predictions.options import Options
from app.predictions.serving import Serving
from app.settings import settings
from models.case import Pixels
from models.findings import OperatingPoint
from models.imaging import frames
from models.imaging.video import kinds
from models.inference.predict import Answer, labels_of, predict
from models.pictures import finding_picture
from models.task import Task

INTENDED_USE = "research use only"
HIGHEST = "highest_score"  # the rule where no threshold applies
SNIFFED_BYTES = 132

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


KINDS: dict[str, Callable[[bytes], bool]] = {
    "a DICOM file": lambda head: head[128:132] == b"DICM",
    "a zip archive": lambda head: head.startswith(b"PK\x03\x04"),
    "a gzip file": lambda head: head.startswith(b"\x1f\x8b"),
    "a PDF": lambda head: head.startswith(b"%PDF"),
    "a HEIF image": kinds.still,
    "a Matroska video": lambda head: kinds.container_of(head) == "matroska",
    "an MP4 video": lambda head: kinds.container_of(head) == "mov",
    "an AVI video": lambda head: kinds.container_of(head) == "avi",
    "an MPEG video": lambda head: head.startswith((b"\0\0\1\xba", b"\0\0\1\xb3")),
    "a Windows Media video": lambda head: head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    "a Flash video": lambda head: head.startswith(b"FLV\1"),
}


def check_kind(head: bytes, task: Task) -> None:
    """Raises UnsupportedMedia for what is no image at all, told by its first bytes."""
    for kind, matches in KINDS.items():
        if matches(head[:SNIFFED_BYTES]):
            images = ", ".join(frames.FORMATS)
            too = ", or for a video (mp4, mov, avi, mkv, webm)" if task.video else ""
            raise UnsupportedMedia(
                f"this is {kind}; {task.name} answers for one image at a time ({images}){too}"
            )


def decoded(data: bytes, task: Task) -> tuple[Pixels, tuple[str, ...]]:
    """Pixels and what was done to get them. Raises Unprocessable or UnsupportedMedia."""
    check_kind(data, task)
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
    unused = [(name, "an image has no frames to choose from") for name in asked.options.of_videos]
    warnings = changed + remarks(asked, unused)
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


def remarks(asked: Asked, unused: Sequence[tuple[str, str]] = ()) -> list[dict[str, str]]:
    """Options that had no part in the answer, and why."""
    found = list(unused)
    if asked.options.roi_px is not None:
        found.insert(0, ("roi", "roi_px has no part in this task, which looks at the whole image"))
    return [{"code": f"{name}_not_used", "detail": why} for name, why in found]


def failure_of(problem: Problem) -> dict[str, str]:
    return {"code": problem.code, "detail": problem.detail}
