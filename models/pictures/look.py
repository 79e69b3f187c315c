"""The look of a picture: the image on black, below it a strip of words, bars and a legend."""

import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from models.case import Pixels
from models.findings import OperatingPoint

INK, SOFT, PAPER, RULE = "#1f2933", "#5f6b76", "#ffffff", "#d9dee3"
BLUE, PALE_BLUE, ORANGE = "#0072b2", "#8fb8d4", "#d55e00"
INTENDED_USE = "research use only"
SHORT_SIDE, LONG_SIDE = 360, 960  # of the image as shown
PANEL_MIN = 460
MARGIN, LINE, NOTE, BAR = 16, 30, 20, 14
NAME, VALUE = 150, 52  # widths of a bar's name and value
# matplotlib's own copy: names in any European script are readable, which Pillow's font is not.
FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"

Pen = ImageDraw.ImageDraw
Font = ImageFont.FreeTypeFont


@dataclass(frozen=True)
class Block:
    """A piece of the strip: `draw` gets the pen, the piece's upper edge and the strip's width."""

    height: int
    draw: Callable[[Pen, int, int], None]


@dataclass(frozen=True)
class Shown:
    """An image as shown, and shown pixels per pixel of the original along x and y."""

    image: Image.Image
    scale: tuple[float, float]


def fitted(pixels: Pixels) -> Shown:
    """The image as shown: small ones enlarged, large ones reduced, shape kept."""
    image = Image.fromarray(pixels)
    scale = max(1.0, SHORT_SIDE / min(image.size))
    scale = min(scale, LONG_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    sized = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
    return Shown(sized, (size[0] / image.width, size[1] / image.height))


def strip_width(shown: Shown) -> int:
    return max(shown.image.width, PANEL_MIN)


def stacked(image: Image.Image, blocks: Sequence[Block]) -> bytes:
    """PNG: the image centred on black, the blocks below it, and what all of it is for."""
    width = max(image.width, PANEL_MIN)
    pieces = [*blocks, note(INTENDED_USE)]
    height = 2 * MARGIN + sum(piece.height for piece in pieces)
    canvas = Image.new("RGB", (width, image.height + height), PAPER)
    canvas.paste("#000000", (0, 0, width, image.height))
    canvas.paste(image, ((width - image.width) // 2, 0))
    pen = ImageDraw.Draw(canvas)
    y = image.height + MARGIN
    for piece in pieces:
        piece.draw(pen, y, width)
        y += piece.height
    return png(canvas)


def title(text: str, value: str = "") -> Block:
    """The answer in large letters, its number at the right."""

    def draw(pen: Pen, y: int, width: int) -> None:
        fits = width - 3 * MARGIN - font(20).getlength(value)
        pen.text((MARGIN, y), cut(text, fits, font(22)), INK, font(22))
        pen.text((width - MARGIN, y + 2), value, INK, font(20), anchor="ra")

    return Block(40, draw)


def bar(name: str, value: float, *, chosen: bool, threshold: float | None = None) -> Block:
    """Name, a bar from 0 to 1, the value; the answer is filled, a threshold is a dark tick."""

    def draw(pen: Pen, y: int, width: int) -> None:
        x0, x1 = MARGIN + NAME, width - MARGIN - VALUE
        ink = INK if chosen else SOFT
        pen.text((MARGIN, y), cut(plain(name), NAME - 8, font(14)), ink, font(14))
        pen.text((width - MARGIN, y), f"{value:.2f}", ink, font(14), anchor="ra")
        top = y + 3
        pen.rounded_rectangle((x0, top, x1, top + BAR), 3, RULE)
        end = x0 + (x1 - x0) * min(max(value, 0.0), 1.0)
        if end - x0 >= 2:
            pen.rounded_rectangle((x0, top, end, top + BAR), 3, BLUE if chosen else PALE_BLUE)
        if threshold is not None:
            at = x0 + (x1 - x0) * min(max(threshold, 0.0), 1.0)
            pen.line((at, top - 4, at, top + BAR + 4), ORANGE, 3)

    return Block(LINE, draw)


def note(text: str) -> Block:
    def draw(pen: Pen, y: int, width: int) -> None:
        pen.text((MARGIN, y), cut(text, width - 2 * MARGIN, font(12)), SOFT, font(12))

    return Block(NOTE, draw)


def notes(text: str, width: int) -> list[Block]:
    """A sentence as notes, wrapped to the strip's width."""
    letters = int((width - 2 * MARGIN) / (font(12).getlength(text) / max(len(text), 1)) * 0.96)
    return [note(line) for line in textwrap.wrap(text, max(letters, 10))]


def sensitivity(point: OperatingPoint) -> str:
    """What a threshold finds, with its 95 % interval where there is one."""
    span = "" if point.low is None else f" ({point.low:.2f} to {point.high:.2f})"
    return f"sensitivity {point.sensitivity:.2f}{span}"


def plain(name: str) -> str:
    return name.replace("_", " ")


def cut(text: str, width: float, lettering: Font) -> str:
    if lettering.getlength(text) <= width:
        return text
    while text and lettering.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def font(size: int) -> Font:
    return ImageFont.truetype(FONT, size)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
