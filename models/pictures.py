"""Pictures for people: a finding in its image, a case with its truth, a sweep's depths.

The same input gives the same bytes. Colours are Okabe and Ito's, told apart with any colour
vision, and never the only sign.
"""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.case import Case, Pixels
from models.findings import ClassFinding, Labels, OperatingPoint
from models.sweep_plot import sweep_plot

__all__ = ["case_preview", "finding_picture", "sweep_plot"]

INK, SOFT, PAPER, RULE = "#1f2933", "#5f6b76", "#ffffff", "#d9dee3"
BLUE, ORANGE = "#0072b2", "#d55e00"
# Okabe and Ito, without black: one per mask class, repeated when there are more.
MASK_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
)
INTENDED_USE = "research use only"
SHORT_SIDE, LONG_SIDE = 360, 960  # of the image as shown
PANEL_MIN = 460
MARGIN, LINE, BAR = 16, 30, 14


@dataclass(frozen=True)
class _Row:
    """A score bar: name, value 0..1, whether it is the answer, and the threshold if it has one."""

    name: str
    value: float
    chosen: bool
    threshold: float | None = None


def finding_picture(
    pixels: Pixels, finding: ClassFinding, labels: Labels, point: OperatingPoint | None = None
) -> bytes:
    """PNG: the image, the label, a bar for each class, and the threshold that was applied."""
    shown = _fitted(pixels)
    threshold = None if point is None else point.threshold
    rows = [
        _Row(name, value, name == finding.label, threshold if name == labels.positive else None)
        for name, value in finding.scores.items()
    ]
    words = _point_words(point, labels)
    width = max(shown.width, PANEL_MIN)
    height = 2 * MARGIN + 40 + LINE * len(rows) + 22 * (len(words) + 1)
    canvas = Image.new("RGB", (width, shown.height + height), PAPER)
    canvas.paste("#000000", (0, 0, width, shown.height))
    canvas.paste(shown, ((width - shown.width) // 2, 0))
    pen = ImageDraw.Draw(canvas)
    y = shown.height + MARGIN
    title = f"{_plain(finding.label)}"
    pen.text((MARGIN, y), title, INK, _font(24))
    pen.text((width - MARGIN, y + 6), f"{finding.score:.2f}", INK, _font(20), anchor="ra")
    y += 40
    for row in rows:
        _bar(pen, row, y, width)
        y += LINE
    for line in words:
        pen.text((MARGIN, y), line, SOFT, _font(13))
        y += 22
    pen.text((MARGIN, y), INTENDED_USE, SOFT, _font(13))
    return _png(canvas)


def _bar(pen: ImageDraw.ImageDraw, row: _Row, y: int, width: int) -> None:
    """Name, a bar from 0 to 1, the value; the answer is filled, a threshold is a dark tick."""
    x0, x1 = MARGIN + 150, width - MARGIN - 52
    ink = INK if row.chosen else SOFT
    pen.text((MARGIN, y), _cut(_plain(row.name), 142, _font(15)), ink, _font(15))
    pen.text((width - MARGIN, y), f"{row.value:.2f}", ink, _font(15), anchor="ra")
    top = y + 3
    pen.rounded_rectangle((x0, top, x1, top + BAR), 3, RULE)
    end = x0 + (x1 - x0) * min(max(row.value, 0.0), 1.0)
    if end - x0 >= 2:
        pen.rounded_rectangle((x0, top, end, top + BAR), 3, BLUE if row.chosen else "#8fb8d4")
    if row.threshold is not None:
        at = x0 + (x1 - x0) * min(max(row.threshold, 0.0), 1.0)
        pen.line((at, top - 4, at, top + BAR + 4), ORANGE, 3)


def _point_words(point: OperatingPoint | None, labels: Labels) -> list[str]:
    if point is None or point.threshold is None or labels.positive is None:
        return []
    words = [f"{_plain(labels.positive)} from {point.threshold:.2f} upwards ({point.name})"]
    if point.sensitivity is not None and point.specificity is not None:
        span = "" if point.low is None else f" ({point.low:.2f} to {point.high:.2f})"
        words.append(
            f"on validation: sensitivity {point.sensitivity:.2f}{span}, "
            f"specificity {point.specificity:.2f}"
        )
    return words


def case_preview(case: Case) -> bytes:
    """PNG: the image, the outline of its mask if it has one, its label in a strip below."""
    shown = _fitted(case.pixels)
    if case.mask is not None:
        shown = _outlined(shown, case.mask)
    words = f"label: {_plain(case.label)}" if case.label is not None else "no label"
    if case.mask is not None:
        words = (
            _mask_words(case.mask) if case.label is None else f"{words}, {_mask_words(case.mask)}"
        )
    width = max(shown.width, 320)
    canvas = Image.new("RGB", (width, shown.height + 40), PAPER)
    canvas.paste("#000000", (0, 0, width, shown.height))
    canvas.paste(shown, ((width - shown.width) // 2, 0))
    pen = ImageDraw.Draw(canvas)
    use_width = round(pen.textlength(INTENDED_USE, _font(13)))
    fits = width - 3 * MARGIN - use_width
    pen.text((MARGIN, shown.height + 20), _cut(words, fits, _font(16)), INK, _font(16), anchor="lm")
    pen.text((width - MARGIN, shown.height + 20), INTENDED_USE, SOFT, _font(13), anchor="rm")
    return _png(canvas)


def _mask_words(mask: np.typing.NDArray[np.uint8]) -> str:
    count = len(np.unique(mask[mask > 0]))
    return f"mask: {count} class{'' if count == 1 else 'es'}" if count else "mask: empty"


def _outlined(shown: Image.Image, mask: np.typing.NDArray[np.uint8]) -> Image.Image:
    """The outline of each mask class in its colour, with a dark edge to show on any ground."""
    pixels = np.array(shown)
    sized = cv2.resize(mask, (shown.width, shown.height), interpolation=cv2.INTER_NEAREST)
    for index in (int(value) for value in np.unique(mask[mask > 0])):
        found, _ = cv2.findContours(
            (sized == index).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
        )
        colour = MASK_COLOURS[(index - 1) % len(MASK_COLOURS)]
        cv2.drawContours(pixels, found, -1, (0, 0, 0), 4, cv2.LINE_AA)
        cv2.drawContours(pixels, found, -1, colour, 2, cv2.LINE_AA)
    return Image.fromarray(pixels)


def _fitted(pixels: Pixels) -> Image.Image:
    """The image as shown: small ones enlarged, large ones reduced, shape kept."""
    image = Image.fromarray(pixels)
    scale = max(1.0, SHORT_SIDE / min(image.size))
    scale = min(scale, LONG_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _cut(text: str, width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
