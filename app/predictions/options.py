"""What a caller may ask for beside the image, checked before any pixel is decoded."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import Unprocessable
from app.predictions.form import invalid
from app.predictions.kinds import Kind, takes_region
from app.text import is_line
from models.task import Task

NAME_MAX = 128
SPACING_MAX_MM = 100.0
STRIDE_MAX = 10_000
UID_MAX = 64  # characters of a UID, DICOM PS3.5, 9.1
# As several_series lists them: `#2` is the second grid under one UID, `unnamed` has none.
_UID = re.compile(r"(unnamed|[0-9]+(\.[0-9]+)*)(#[0-9]{1,6})?")
KEY_MAX = 255  # characters of an Idempotency-Key
_QUALITY = re.compile(r"[0-9](\.[0-9]{0,3})?")  # RFC 9110's weight
YES, NO = ("true", "1", "yes"), ("false", "0", "no")


@dataclass(frozen=True)
class Options:
    """`spacing_mm` is (row, column); `roi_px` half-open x0, y0, x1, y1 in the oriented image,
    from any two opposite corners; with `roi_points` they are two points on what is meant.

    For videos: every `stride`-th frame is read (None: about five of a second), and `annotated`
    asks for a film with the finding drawn into it. For volumes: which of several series is meant.
    """

    deployment: str | None = None
    model_id: str | None = None
    operating_point: str | None = None
    spacing_mm: tuple[float, float] | None = None
    roi_px: tuple[int, int, int, int] | None = None
    stride: int | None = None
    annotated: bool = False
    series_uid: str | None = None
    roi_points: bool = False

    def unused(self, kind: Kind, task: Task) -> tuple[str, ...]:
        """Those given that a task has no use for, where a file of this kind is asked about."""
        given = {
            "roi": self.roi_px is not None and not (kind == "image" and takes_region(task)),
            "spacing_mm": self.spacing_mm is not None and kind == "volume",
            "stride": self.stride is not None and kind != "video",
            "annotated": self.annotated and kind != "video",
            "series_uid": self.series_uid is not None and kind != "volume",
        }
        return tuple(name for name, there in given.items() if there)

    def check_roi(self, width: int, height: int) -> None:
        """Raises Unprocessable if the region is not inside the image."""
        if self.roi_px is not None and not (self.roi_px[2] <= width and self.roi_px[3] <= height):
            raise invalid("roi_px", f"reaches beyond the image of {width} x {height} pixels")


def options(fields: Mapping[str, str]) -> Options:
    """Options from form fields; an empty field counts as not given. Raises Unprocessable."""
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    for name in ("deployment", "model_id", "operating_point"):
        if len(given.get(name, "")) > NAME_MAX:
            raise invalid(name, f"longer than {NAME_MAX} characters")
        if not is_line(given.get(name, "")):
            raise invalid(name, "holds control characters")
    if "deployment" in given and "model_id" in given:
        raise invalid("model_id", "name a deployment or a model, not both")
    return Options(
        deployment=given.get("deployment"),
        model_id=given.get("model_id"),
        operating_point=given.get("operating_point"),
        spacing_mm=_spacing(given["spacing_mm"]) if "spacing_mm" in given else None,
        roi_px=_roi(given["roi_px"]) if "roi_px" in given else None,
        roi_points=";" in given.get("roi_px", ""),
        stride=_stride(given["stride"]) if "stride" in given else None,
        annotated=_annotated(given.get("annotated", NO[0])),
        series_uid=_series_uid(given["series_uid"]) if "series_uid" in given else None,
    )


def _stride(text: str) -> int:
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= found <= STRIDE_MAX:
        raise invalid("stride", f"a whole number from 1 (every frame) to {STRIDE_MAX}")
    return found


def _annotated(text: str) -> bool:
    if text.lower() not in (*YES, *NO):
        raise invalid("annotated", "true or false")
    return text.lower() in YES


def _series_uid(text: str) -> str:
    if len(text.partition("#")[0]) > UID_MAX or not _UID.fullmatch(text):
        raise invalid("series_uid", f"a SeriesInstanceUID: digits and dots, at most {UID_MAX}")
    return text


def _spacing(text: str) -> tuple[float, float]:
    try:
        sides = [float(side) for side in text.strip("[]").split(",")]
    except ValueError:
        sides = []
    fits = all(math.isfinite(side) and 0.0 < side <= SPACING_MAX_MM for side in sides)
    if len(sides) not in (1, 2) or not fits:
        detail = f"one number, or row,column: millimetres per pixel, above 0, to {SPACING_MAX_MM:g}"
        raise invalid("spacing_mm", detail)
    return sides[0], sides[-1]


def _roi(text: str) -> tuple[int, int, int, int]:
    """Two opposite corners in any order, `x0,y0,x1,y1`; or two points, `x0,y0;x1,y1`."""
    points = ";" in text
    parts = text.strip("[]").replace(";", ",", 1).split(",")
    try:
        xs, ys = (sorted(int(side) for side in parts[axis::2]) for axis in (0, 1))
    except ValueError:
        xs = ys = []
    if len(parts) != 4 or not xs or not ys or xs[0] < 0 or ys[0] < 0:
        detail = "x0,y0,x1,y1 of a box, or x0,y0;x1,y1 of two points on the wall: whole pixels"
        raise invalid("roi_px", detail)
    if xs[0] == xs[1] or (ys[0] == ys[1] and not points):
        detail = "the region is empty; two points on one level are written x0,y0;x1,y1"
        raise invalid("roi_px", detail)
    return xs[0], ys[0], xs[1], ys[1]


# ---- wishes in headers ------------------------------------------------------------------------


def wants_picture(accept: str) -> bool:
    """Whether an Accept header puts a PNG before JSON; JSON where it does not care."""
    quality = {"image/png": 0.0, "application/json": 0.0}
    for offer in accept.lower().split(","):
        kind, _, rest = offer.strip().replace("image/*", "image/png").partition(";")
        if kind.strip() in quality:
            _, _, q = rest.partition("q=")
            quality[kind.strip()] = float(q) if _QUALITY.fullmatch(q.strip()) else 1.0
    return quality["image/png"] > quality["application/json"]


def idempotency_key(given: str | None) -> str | None:
    """The Idempotency-Key, bounded as everywhere. Raises Unprocessable."""
    if given is not None and not 1 <= len(given) <= KEY_MAX:
        fault = {"pointer": "header/Idempotency-Key", "detail": f"1 to {KEY_MAX} characters"}
        raise Unprocessable("invalid_request", "an Idempotency-Key of odd length", [fault])
    return given


def prefers_async(prefer: str) -> bool:
    wishes = prefer.lower().replace(";", ",").split(",")
    return "respond-async" in (wish.strip() for wish in wishes)
