"""The picture of a segmentation: a fill and an outline for each class, and a legend of areas."""

import numpy as np
from PIL import Image

from models.case import Pixels
from models.findings import Area, Labels, OperatingPoint, SegmentationFinding
from models.pictures import look, marks
from models.pictures.look import Block, Pen

SHARE = 0.3  # of the fill's colour; the image stays readable below it
ROWS = 12  # in the legend; the reply has them all
SWATCH, ROW = 16, 26


def draw(
    pixels: Pixels, finding: SegmentationFinding, labels: Labels, _: OperatingPoint | None
) -> bytes:
    """PNG: every class filled, outlined and numbered; below, its area and score.

    No threshold applies to a label map.
    """
    shown = look.fitted(pixels)
    found = [
        (index, name, finding.classes[name])
        for index, name in enumerate(labels.names, start=1)
        if finding.classes[name].area_px > 0
    ]
    image = _marked(shown, finding, [index for index, _, _ in found])
    width = look.strip_width(shown)
    words = _words(finding, labels, found)
    return look.stacked(
        image,
        [
            look.title(_verdict(found, labels)),
            *(_legend(index, name, area) for index, name, area in found[:ROWS]),
            *(line for text in words for line in look.notes(text, width)),
        ],
    )


def _marked(shown: look.Shown, finding: SegmentationFinding, found: list[int]) -> Image.Image:
    pixels = np.array(shown.image)
    mask = marks.mask_of(finding.mask_png_base64)
    regions = {index: marks.region(mask == index, shown) for index in found}
    for index, where in regions.items():
        marks.filled(pixels, where, marks.colour_of(index), SHARE)
    for index, where in regions.items():
        marks.outline(pixels, where, marks.colour_of(index))
    image = Image.fromarray(pixels)
    for index, where in regions.items():
        marks.numbered(image, where, index)
    return image


def _verdict(found: list[tuple[int, str, Area]], labels: Labels) -> str:
    if not found:
        return "nothing found"
    if len(labels.names) == 1:
        return f"{look.plain(labels.names[0])} found"
    return f"{len(found)} of {len(labels.names)} classes found"


def _legend(index: int, name: str, area: Area) -> Block:
    """Swatch, number and name; area and score at the right."""
    size = f"{area.area_px:,} px"
    if area.area_mm2 is not None:
        size = f"{area.area_mm2:.3g} mm², {size}"
    values = f"{size}   score {area.score:.2f}"

    def draw_row(pen: Pen, y: int, width: int) -> None:
        marks.swatch(pen, (look.MARGIN, y), SWATCH, marks.colour_of(index))
        left = look.MARGIN + SWATCH + 8
        fits = width - look.MARGIN - left - look.font(14).getlength(values) - 12
        text = look.cut(f"{index}  {look.plain(name)}", fits, look.font(14))
        pen.text((left, y), text, look.INK, look.font(14))
        pen.text((width - look.MARGIN, y), values, look.INK, look.font(14), anchor="ra")

    return Block(ROW, draw_row)


def _words(
    finding: SegmentationFinding, labels: Labels, found: list[tuple[int, str, Area]]
) -> list[str]:
    words = []
    if len(found) > ROWS:
        words.append(f"and {len(found) - ROWS} more classes: see the reply")
    absent = [look.plain(name) for name in labels.names if finding.classes[name].area_px == 0]
    if absent:
        words.append("not found: " + ", ".join(absent))
    if found and all(area.area_mm2 is None for _, _, area in found):
        words.append("areas in pixels of the input: its spacing is not known")
    return words
