"""The picture of a segmentation: a fill and an outline for each class, and a legend of areas."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from models.case import Pixels
from models.findings import Area, Labels, OperatingPoint, SegmentationFinding
from models.pictures import look, marks
from models.pictures.look import Block, Pen

SHARE = 0.3  # of the fill's colour; the image stays readable below it
ROWS = 12  # in the legend; the reply has them all
SWATCH, ROW = 16, 26


@dataclass(frozen=True)
class _Seen:
    """A class that the map has: its index in it, its words in the legend, its area."""

    index: int
    words: str
    area: Area


def draw(
    pixels: Pixels, finding: SegmentationFinding, labels: Labels, _: OperatingPoint | None
) -> bytes:
    """PNG: every class filled, outlined and numbered; below, its area and score.

    No threshold applies to a label map.
    """
    shown = look.fitted(pixels)
    seen = _seen(finding, labels)
    image = _marked(shown, finding, seen)
    width = look.strip_width(shown)
    return look.stacked(
        image,
        [
            look.title(_verdict(seen, labels)),
            *(_legend(found) for found in seen[:ROWS]),
            *(line for text in _words(finding, seen) for line in look.notes(text, width)),
        ],
    )


def _seen(finding: SegmentationFinding, labels: Labels) -> list[_Seen]:
    """The classes with any area; numbered where there is more than one to tell apart."""
    rows = [(index, name, finding.classes[name]) for index, name in enumerate(labels.names, 1)]
    numbered = len(rows) > 1
    return [
        _Seen(index, f"{index}  {look.plain(name)}" if numbered else look.plain(name), area)
        for index, name, area in rows
        if area.area_px > 0
    ]


def _marked(shown: look.Shown, finding: SegmentationFinding, seen: Sequence[_Seen]) -> Image.Image:
    pixels = np.array(shown.image)
    mask = marks.mask_of(finding.mask_png_base64)
    regions = {found.index: marks.region(mask == found.index, shown) for found in seen}
    for index, where in regions.items():
        marks.filled(pixels, where, marks.colour_of(index), SHARE)
    for index, where in regions.items():
        marks.outline(pixels, where, marks.colour_of(index))
    image = Image.fromarray(pixels)
    if len(finding.classes) > 1:
        for index, where in regions.items():
            marks.numbered(image, where, index)
    return image


def _verdict(seen: Sequence[_Seen], labels: Labels) -> str:
    if not seen:
        return "nothing found"
    if len(labels.names) == 1:
        return f"{look.plain(labels.names[0])} found"
    return f"{len(seen)} of {len(labels.names)} classes found"


def _legend(found: _Seen) -> Block:
    """Swatch and words; area and score at the right."""
    values = f"{_size(found.area)}   score {found.area.score:.2f}"

    def draw_row(pen: Pen, y: int, width: int) -> None:
        marks.swatch(pen, (look.MARGIN, y), SWATCH, marks.colour_of(found.index))
        left = look.MARGIN + SWATCH + 8
        fits = width - look.MARGIN - left - look.font(14).getlength(values) - 12
        text = look.cut(found.words, fits, look.font(14))
        pen.text((left, y), text, look.INK, look.font(14))
        pen.text((width - look.MARGIN, y), values, look.INK, look.font(14), anchor="ra")

    return Block(ROW, draw_row)


def _size(area: Area) -> str:
    """Three digits of mm² where the spacing is known, and the pixels."""
    pixels = f"{area.area_px:,} px"
    if area.area_mm2 is None:
        return pixels
    digits = max(0, 3 - len(str(int(area.area_mm2))))
    return f"{area.area_mm2:,.{digits}f} mm², {pixels}"


def _words(finding: SegmentationFinding, seen: Sequence[_Seen]) -> list[str]:
    words = []
    if len(seen) > ROWS:
        words.append(f"and {len(seen) - ROWS} more classes: see the reply")
    absent = [look.plain(name) for name, area in finding.classes.items() if area.area_px == 0]
    if absent:
        words.append("not found: " + ", ".join(absent))
    if seen and all(found.area.area_mm2 is None for found in seen):
        words.append("areas in pixels of the input: its spacing is not known")
    return words
