"""One image answered: bytes in, the reply's envelope out; the same for a request and a job."""

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import cv2

from app.errors import Problem, Unprocessable
from app.predictions.kinds import (
    Kind,
    check_image,
    is_dicom,
    measures,
    takes_frames,
    takes_region,
)
from app.predictions.options import Options
from app.predictions.serving import Serving
from app.settings import settings
from models.case import Box, Pixels
from models.findings import OperatingPoint
from models.imaging import frames
from models.imaging.scanned.cell import Limits
from models.imaging.scanned.reading import open_frame
from models.inference.predict import GIVEN_BY_CALLER, Answer, labels_of, predict
from models.inference.region import along
from models.pictures import finding_picture
from models.task import Task

INTENDED_USE = "research use only"
NO_NUMBER = (
    "the model's answer to this image holds values that are no numbers: deploy another model, or "
    "send it to whoever made this one"
)
HIGHEST = "highest_score"  # the rule where no threshold applies
# Of an option that had no part in an answer; roi_px counts as `roi` since the first release.
WHY = {
    "roi": "roi_px has no part in this task, which looks at the whole {kind}",
    "spacing_mm": "a {kind} says its own spacing",
    "stride": "{kind}s have no frames to choose from",
    "annotated": "only of a video a film is made",
    "series_uid": "{kind}s have no series to choose from",
}

# Why a file that tells a spacing is not believed.
DOUBTS = {
    "regions_disagree": "its regions of tissue tell different sizes of a pixel, so none is used",
    "odd_spacing": "the size of a pixel that it tells is no scanner's, so it is not used",
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
    """The envelope as it is stored, its JSON as it is sent, and what is needed to draw it."""

    envelope: dict[str, Any]
    body: bytes
    pixels: Pixels
    answer: Answer

    def picture(self, asked: Asked) -> bytes:
        """The finding drawn into its image, PNG."""
        labels = labels_of(asked.serving.card)
        drawn: bytes = finding_picture(self.pixels, self.answer.finding, labels, self.answer.point)
        return drawn


def encode(envelope: dict[str, Any]) -> bytes:
    return json.dumps(envelope, separators=(",", ":"), allow_nan=False, default=float).encode()


@dataclass(frozen=True)
class Seen:
    """An image as it was read: its pixels, the spacing it told itself, what was done to read it."""

    pixels: Pixels
    notes: tuple[str, ...] = ()
    spacing_mm: tuple[float, float] | None = None  # (row, column)
    spacing_source: str | None = None


def opened(data: bytes, task: Task) -> Seen:
    """The image in a file. Raises Unprocessable or UnsupportedMedia."""
    check_image(data, task)
    most = settings().image_max_pixels
    try:
        if takes_frames(task) and is_dicom(data):
            limits = Limits(pixels_max=min(most, Limits.pixels_max))
            frame = open_frame(data, settings().scratch, limits)
            return Seen(frame.pixels, frame.notes, frame.spacing_mm, frame.source)
        return Seen(*frames.decode(data, most))
    except frames.UnreadableError as error:
        pointed = {"pointer": "#/file", "detail": f"{error.code}: {error.detail}"}
        raise Unprocessable("unreadable_image", error.detail, [pointed]) from error


def answer(asked: Asked, data: bytes) -> Answered:
    """The whole work on one image. Raises a Problem for what the caller got wrong, or the model."""
    options, serving = asked.options, asked.serving
    point = serving.point_for(options.operating_point)
    seen = opened(data, asked.task)
    height, width = seen.pixels.shape[:2]
    options.check_roi(width, height)
    spacing_mm = options.spacing_mm or seen.spacing_mm
    source = GIVEN_BY_CALLER if options.spacing_mm else seen.spacing_source
    region, widened = _region(options, (width, height), spacing_mm)
    found = predict(
        asked.task, serving.network(), serving.card, seen.pixels, point, spacing_mm,
        spacing_source=source, roi_px=region,
    )  # fmt: skip
    told = {"width": width, "height": height, "sha256": hashlib.sha256(data).hexdigest()}
    shown = point_shown(found.point)
    warnings = [*_changes(seen), *_measuring(asked, seen), *remarks(asked, "image")]
    if widened and takes_region(asked.task):
        warnings.append(_widened(region))
    envelope = enveloped(asked, shown, told, warnings, asdict(found.finding))
    try:
        body = encode(envelope)
    except ValueError as error:  # what cannot be said cannot be kept either, or drawn
        raise Unprocessable("no_answer", NO_NUMBER) from error
    return Answered(envelope, body, seen.pixels, found)


def _region(
    options: Options, size: tuple[int, int], spacing_mm: tuple[float, float] | None
) -> tuple[Box | None, bool]:
    """Where to look, if the caller said so, and whether that is more than was said."""
    if options.roi_px is None:
        return None, False
    return along(options.roi_px, size, spacing_mm, points=options.roi_points)


def _widened(region: Box | None) -> dict[str, str]:
    _, top, _, bottom = region or (0, 0, 0, 0)
    detail = f"roi_px was taken for two points on the wall: rows {top:.0f} to {bottom:.0f} count"
    return {"code": "roi_widened", "detail": detail}


def _changes(seen: Seen) -> list[dict[str, str]]:
    return [
        {
            "code": note,
            "detail": DOUBTS.get(note, f"changed before it was read: {note.replace('_', ' ')}"),
        }
        for note in seen.notes
    ]


def _measuring(asked: Asked, seen: Seen) -> list[dict[str, str]]:
    """Of an answer that would be in millimetres: that it is not, or by whose spacing it is."""
    given, own = asked.options.spacing_mm, seen.spacing_mm
    if not measures(asked.task):
        return []
    if given is None and own is None:
        detail = (
            "nobody told the size of a pixel, so the answer is in pixels alone: give spacing_mm, "
            "or send the DICOM file of the scanner"
        )
        return [{"code": "no_spacing", "detail": detail}]
    if given is not None and own is not None and not _alike(given, own):
        sides = " x ".join(f"{side:g}" for side in own)
        detail = f"spacing_mm as given is used; the file itself tells {sides} mm a pixel"
        return [{"code": "spacing_differs", "detail": detail}]
    return []


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(math.isclose(*sides, rel_tol=0.01) for sides in zip(one, other, strict=True))


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
    found = [(name, WHY[name].format(kind=kind)) for name in asked.options.unused(kind, asked.task)]
    return [{"code": f"{name}_not_used", "detail": why} for name, why in found]


def failure_of(problem: Problem) -> dict[str, str]:
    return {"code": problem.code, "detail": problem.detail}
