"""The picture of a case: its image, its truth drawn in, and below it what the marks mean."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from models.case import UNKNOWN, Case, Pixels
from models.findings import Labels
from models.pictures import lines, look, marks

NARROWEST = 320
LINE, SWATCH, LETTERS, SPACE = 26, 14, 14, 18  # heights of a line, a swatch, its letters; a gap

Entry = tuple[Callable[[look.Pen, tuple[int, int], int], None] | None, str]  # swatch, words


def case_preview(case: Case, labels: Labels | None = None) -> bytes:
    """PNG: the image, outlines of its mask, its boxes, its lines; below, its label and a legend.

    `labels` name the values of the mask; without them a class has its value alone.
    """
    shown = look.fitted(case.pixels)
    image = _marked(case, shown, labels)
    width = max(image.width, NARROWEST)
    rows = list(_rows(_entries(case, labels), width))
    canvas = Image.new("RGB", (width, image.height + 14 + LINE * len(rows)), look.PAPER)
    canvas.paste("#000000", (0, 0, width, image.height))
    canvas.paste(image, ((width - image.width) // 2, 0))
    pen = ImageDraw.Draw(canvas)
    for number, row in enumerate(rows):
        _legend(pen, row, image.height + 7 + LINE * number)
    y = image.height + 7 + LINE // 2
    right = width - look.MARGIN
    pen.text((right, y), look.INTENDED_USE, look.SOFT, look.font(12), anchor="rm")
    return look.png(canvas)


def _marked(case: Case, shown: look.Shown, labels: Labels | None) -> Image.Image:
    pixels = np.array(shown.image)
    if case.mask is not None:
        marks.striped(pixels, marks.region(case.mask == UNKNOWN, shown))
        regions = {
            index: marks.region(case.mask == value, shown)
            for index, value in _present(case, labels)
        }
        for index, where in regions.items():
            marks.outline(pixels, where, marks.colour_of(index))
    _lined(pixels, case, shown)
    image = Image.fromarray(pixels)
    if case.mask is not None and len(regions) > 1:
        for index, where in regions.items():
            marks.numbered(image, where, index)
    for box in case.boxes or ():
        marks.boxed(image, box, shown, marks.YELLOW)
    return image


def _lined(pixels: Pixels, case: Case, shown: look.Shown) -> None:
    """Each reader's own lines, paler, below what is taken for true."""
    for read in case.readers.values():
        lines.traced(pixels, read, shown, lines.PALE, border=False)
    if case.lines is not None:
        lines.traced(pixels, case.lines, shown, lines.COLOURS, border=not case.readers)


def _present(case: Case, labels: Labels | None) -> list[tuple[int, int]]:
    """(index, value) of the classes in the mask; a value without a name is its own index."""
    if case.mask is None:
        return []
    values = [int(value) for value in np.unique(case.mask) if value not in (0, UNKNOWN)]
    known = _values(labels)
    return [(known.index(value) + 1 if value in known else value, value) for value in values]


def _values(labels: Labels | None) -> tuple[int, ...]:
    if labels is None:
        return ()
    return labels.values or tuple(range(1, len(labels.names) + 1))


def _entries(case: Case, labels: Labels | None) -> list[Entry]:
    found: list[Entry] = []
    if case.label is not None:
        found.append((None, f"label: {look.plain(case.label)}"))
    present = _present(case, labels)
    for index, value in present:
        text = _name(index, value, labels, alone=len(present) == 1)
        found.append((partial(marks.swatch, colour=marks.colour_of(index)), text))
    if case.boxes:
        count = len(case.boxes)
        found.append((marks.box_swatch, f"{count} box{'' if count == 1 else 'es'}"))
    found += _lines_told(case)
    unsaid = case.mask is not None and bool((case.mask == UNKNOWN).any())
    if unsaid:
        found.append((marks.striped_swatch, "unknown"))
    if not present and not case.boxes and case.lines is None:
        found += _absence(case, unsaid=unsaid)
    return found


def _lines_told(case: Case) -> list[Entry]:
    if case.lines is None:
        return []
    found: list[Entry] = [
        (partial(lines.swatch, colour=colour), name)
        for name, colour in zip(lines.NAMES, lines.COLOURS, strict=True)
    ]
    if case.readers:
        found.append((None, f"{len(case.readers)} readers, paler"))
    if case.spacing_mm is not None:
        found.append((None, f"{case.spacing_mm[0]:g} mm a row"))
    return found


def _absence(case: Case, *, unsaid: bool) -> list[Entry]:
    """What there is to say where nothing is outlined."""
    if case.mask is None and case.boxes is None:
        return [] if case.label is not None else [(None, "no truth given")]
    return [(None, "nothing else there" if unsaid else "nothing there")]


def _name(index: int, value: int, labels: Labels | None, *, alone: bool) -> str:
    if labels is None or value not in _values(labels):
        return f"class {value}" if labels is None else f"{value}  no class has this value"
    name = look.plain(labels.names[index - 1])
    return name if alone else f"{index}  {name}"


def _rows(entries: Sequence[Entry], width: int) -> Iterator[list[tuple[Entry, int]]]:
    """Lines of (entry, its left edge); the first line leaves room for what the picture is for."""
    lettering = look.font(LETTERS)
    room = width - 3 * look.MARGIN - round(look.font(12).getlength(look.INTENDED_USE))
    row: list[tuple[Entry, int]] = []
    x = look.MARGIN
    for swatch, text in entries:
        text = look.cut(text, room - (SWATCH + 6), lettering)
        wide = round(lettering.getlength(text)) + (0 if swatch is None else SWATCH + 6)
        if row and x + wide > room:
            yield row
            row, x, room = [], look.MARGIN, width - look.MARGIN
        row.append(((swatch, text), x))
        x += wide + SPACE
    yield row


def _legend(pen: look.Pen, row: Sequence[tuple[Entry, int]], y: int) -> None:
    for (swatch, text), x in row:
        if swatch is not None:
            swatch(pen, (x, y + (LINE - SWATCH) // 2), SWATCH)
            x += SWATCH + 6
        pen.text((x, y + LINE // 2), text, look.INK, look.font(LETTERS), anchor="lm")
