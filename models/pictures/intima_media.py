"""The picture of an intima-media finding: both lines in the frame, the wall straightened and
enlarged, the thickness of every column below its place.

A column is at the same x in all three, so that a bump of the curve is found in the frame.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from models.case import Pixels, Points
from models.findings import IntimaMediaFinding, Labels, OperatingPoint
from models.pictures import curve, lines, look, scale_bar, straightened

BREAK = 1.5  # of the usual step: neighbours farther apart have a column left out between them
SWATCH, ROW = 14, 24


@dataclass(frozen=True)
class Wall:
    """The lines as [n, 2] points, and the thickness of each column in its unit."""

    upper: Points
    lower: Points
    unit: str
    size: float  # of a row in that unit

    @property
    def thickness(self) -> Points:
        """[n, 2] of column and thickness."""
        return np.column_stack([self.upper[:, 0], (self.lower - self.upper)[:, 1] * self.size])

    @property
    def gap(self) -> float:
        """How far apart neighbours are, in columns, that no line joins."""
        return BREAK * float(np.median(np.diff(self.upper[:, 0]))) if len(self.upper) > 1 else BREAK


def draw(
    pixels: Pixels, finding: IntimaMediaFinding, _: Labels, __: OperatingPoint | None
) -> bytes:
    """PNG: frame, wall, curve; below, mean and largest thickness. No threshold applies to lines."""
    shown = look.fitted(pixels)
    wall = _wall(finding)
    parts = [_frame(shown, finding, wall)]
    if len(wall.upper):
        parts.append(straightened.strip(pixels, wall.upper, wall.lower, shown, wall.gap))
        parts.append(curve.below(wall.thickness, shown, wall.unit, wall.gap))
    width = max(shown.image.width, look.PANEL_MIN)
    body = _under_each_other(parts, width)
    return look.stacked(
        body,
        [
            _title(finding),
            *([_legend()] if len(wall.upper) else []),
            *(line for text in _words(finding, wall) for line in look.notes(text, width)),
        ],
    )


def _wall(finding: IntimaMediaFinding) -> Wall:
    upper, lower = (
        np.array(line, np.float64).reshape(-1, 2)
        for line in (finding.lumen_intima, finding.media_adventitia)
    )
    rows = _rows_mm(finding)
    return Wall(upper, lower, "px" if rows is None else "mm", 1.0 if rows is None else rows)


def _rows_mm(finding: IntimaMediaFinding) -> float | None:
    """Millimetres from row to row, as thickness is measured; None without a spacing."""
    given = finding.spacing_mm
    return given[0] if isinstance(given, tuple) else given


def _frame(shown: look.Shown, finding: IntimaMediaFinding, wall: Wall) -> Image.Image:
    pixels = np.array(shown.image)
    lines.traced(pixels, (wall.upper, wall.lower), shown, lines.COLOURS, gap=wall.gap)
    image = Image.fromarray(pixels)
    if finding.roi_px is not None:
        lines.dashed_box(ImageDraw.Draw(image), finding.roi_px, shown, lines.REGION)
    given = finding.spacing_mm
    columns_mm = given[1] if isinstance(given, tuple) else given
    scale_bar.draw(image, shown, columns_mm)
    return image


def _under_each_other(parts: list[Image.Image], width: int) -> Image.Image:
    """The parts, all as wide as the frame, centred below each other on black."""
    body = Image.new("RGB", (width, sum(part.height for part in parts)), "#000000")
    y = 0
    for part in parts:
        body.paste(part, ((width - part.width) // 2, y))
        y += part.height
    return body


def _title(finding: IntimaMediaFinding) -> look.Block:
    measured = finding.imt_mm or finding.imt_px
    if measured is None:
        return look.title("no far wall found")
    mean, most = (_sized(value, finding) for value in (measured.mean, measured.max))
    return look.title(f"IMT mean {mean}", f"max {most}")


def _sized(value: float, finding: IntimaMediaFinding) -> str:
    return f"{value:.1f} px" if finding.imt_mm is None else f"{value:.2f} mm"


def _legend() -> look.Block:
    def draw_row(pen: look.Pen, y: int, _: int) -> None:
        x = look.MARGIN
        for name, colour in zip(lines.NAMES, lines.COLOURS, strict=True):
            lines.swatch(pen, (x, y + 1), SWATCH, colour)
            x += SWATCH + 6
            pen.text((x, y), name, look.INK, look.font(14))
            x += round(look.font(14).getlength(name)) + 20

    return look.Block(ROW, draw_row)


def _words(finding: IntimaMediaFinding, wall: Wall) -> list[str]:
    words = [_column_words(finding)]
    if len(wall.upper):
        words.append(
            "below the frame: the wall straightened, its rows "
            f"{straightened.zoom(wall.upper, wall.lower):.1f} times enlarged; the thickness of "
            "each column, from line to line straight down"
        )
    if finding.roi_px is not None:
        words.append("dashed: the region that was looked at")
    words.append(_spacing_words(finding))
    return words


def _column_words(finding: IntimaMediaFinding) -> str:
    columns = finding.columns
    left_out = f"{columns.left_out:,} left out for want of evidence"
    if not columns.traced:
        return f"no column has both lines; {left_out}"
    return f"{columns.traced:,} columns traced, {left_out if columns.left_out else 'none left out'}"


def _spacing_words(finding: IntimaMediaFinding) -> str:
    given = finding.spacing_mm
    if given is None:
        return "in pixels of the input: its spacing is not known"
    sides = f"{given:g}" if isinstance(given, float | int) else f"{given[0]:g} x {given[1]:g}"
    return f"{sides} mm a pixel, {_SOURCES.get(finding.spacing_source or '', 'source not named')}"


_SOURCES = {
    "given": "as given by the caller",
    "dicom": "as the DICOM file's ultrasound region tells",
    "cubs": "as the data set's calibration file tells",
}
