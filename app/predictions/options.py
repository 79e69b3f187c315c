"""What a caller may ask for beside the image, checked before any pixel is decoded."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from app.predictions.form import invalid
from app.text import is_line

NAME_MAX = 128
SPACING_MAX_MM = 100.0
STRIDE_MAX = 10_000
YES, NO = ("true", "1", "yes"), ("false", "0", "no")


@dataclass(frozen=True)
class Options:
    """`spacing_mm` is (row, column); `roi_px` half-open x0, y0, x1, y1 in the oriented image.

    For videos: every `stride`-th frame is read (None: about five of a second), and `annotated`
    asks for a film with the finding drawn into it.
    """

    deployment: str | None = None
    model_id: str | None = None
    operating_point: str | None = None
    spacing_mm: tuple[float, float] | None = None
    roi_px: tuple[int, int, int, int] | None = None
    stride: int | None = None
    annotated: bool = False

    @property
    def of_videos(self) -> tuple[str, ...]:
        """Those given that only a video has a use for."""
        given = {"stride": self.stride is not None, "annotated": self.annotated}
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
        stride=_stride(given["stride"]) if "stride" in given else None,
        annotated=_annotated(given.get("annotated", NO[0])),
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
    try:
        x0, y0, x1, y1 = (int(side) for side in text.strip("[]").split(","))
    except ValueError:
        x0 = y0 = x1 = y1 = -1
    if not (0 <= x0 < x1 and 0 <= y0 < y1):
        raise invalid("roi_px", "x0,y0,x1,y1: whole pixels, 0 <= x0 < x1 and 0 <= y0 < y1")
    return x0, y0, x1, y1
