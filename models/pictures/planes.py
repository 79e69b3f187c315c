"""Planes of a volume as a person looks at them: upright, millimetres square, the patient's sides
named, a bar of known length.

Slices are numbered along the volume's own z axis, as `centre_voxel` counts them, however the
volume lies. Axial slices are shown from the feet: the patient's right is at the left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from models.pictures import look
from models.pictures.front import seen_from_front
from models.pictures.marks import SKY, Colour, Where
from models.volume import Points, Volume, upright

Size = tuple[int, int]  # width and height in shown pixels

NAMES = ("axial", "coronal", "sagittal")  # looked at along z, y, x of an upright volume
COORDINATES = ("z", "y", "x")
SIDES = (("R", "L", "A", "P"), ("R", "L", "H", "F"), ("A", "P", "H", "F"))  # left right top bottom
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
LETTERS, BAR, INSET, DASH, SPACE = 15, 12, 10, 6, 12
BARS_MM = (200, 100, 50, 20, 10, 5, 2, 1)
BAR_SHARE = 0.3  # of the picture's width: a bar is no longer


class SliceError(ValueError):
    """A slice that the volume does not have; says which it has."""

    def __init__(self, asked: int, count: int) -> None:
        super().__init__(f"slice {asked}: this volume has slices 0 to {count - 1}")


@dataclass(frozen=True)
class Window:
    """The Hounsfield units shown black and white; what lies between is grey in proportion."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low} to {self.high} HU"

    def grey(self, voxels: NDArray[np.int16]) -> NDArray[np.uint8]:
        share = (voxels.astype(np.float32) - self.low) / (self.high - self.low)
        return np.asarray(np.clip(share * 255 + 0.5, 0, 255), dtype=np.uint8)


CTPA = Window(-250, 450)
MIP = Window(-100, 700)  # wider: a maximum with bones is bright nearly everywhere


@dataclass(frozen=True)
class Plane:
    """One plane as shown, of an upright volume looked at along `axis` (0 z, 1 y, 2 x)."""

    shown: look.Shown
    axis: int
    rows: int
    px_per_mm: float

    def at(self, place: ArrayLike) -> tuple[float, float]:
        """x and y in the image as shown of an upright volume's voxel (z, y, x)."""
        row, column = np.delete(np.asarray(place, dtype=np.float64), self.axis)
        if self.axis:
            row = self.rows - 1 - row
        x, y = self.shown.scale
        return (column + 0.5) * x, (row + 0.5) * y

    def laid(self, flat: Where) -> Where:
        """A plane of the upright volume (its two other axes in order), the head at the top."""
        return flat[::-1] if self.axis else flat


@dataclass(frozen=True, eq=False)
class Upright:
    """A volume and the same turned upright, which costs no memory.

    `axis` of the turned one is that along which the given one's slices lie.
    """

    given: Volume
    turned: Volume
    axis: int

    @classmethod
    def of(cls, volume: Volume) -> Self:
        turned = upright(volume)
        step = turned.to_voxel(volume.to_mm(np.array([[0, 0, 0], [1, 0, 0]])))
        return cls(volume, turned, int(np.abs(step[1] - step[0]).argmax()))

    @cached_property
    def count(self) -> int:
        return int(self.given.voxels.shape[0])

    def place(self, voxel: ArrayLike) -> Points:
        """A voxel (z, y, x) of the given volume in the turned one."""
        return self.turned.to_voxel(self.given.to_mm(voxel))

    def laid(self, part: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A box of the given volume's grid [z, y, x], its axes laid as those of the turned one."""
        steps = self.place(np.vstack([np.zeros(3), np.eye(3)]))
        moved = np.round(steps[1:] - steps[0]).astype(int)  # [given axis, turned axis], -1 0 1
        axes = np.abs(moved).argmax(axis=0)
        flipped = tuple(k for k, axis in enumerate(axes) if moved[axis, k] < 0)
        return np.asarray(np.flip(part.transpose(axes), flipped))

    def index(self, number: int) -> int:
        """Where in the turned volume, along `axis`, slice `number` of the given one lies."""
        if not 0 <= number < self.count:
            raise SliceError(number, self.count)
        return round(float(self.place((number, 0, 0))[self.axis]))

    def words(self, number: int) -> str:
        """Which slice this is, for a caption."""
        middle = (np.array(self.given.voxels.shape) - 1) / 2
        place = self.given.to_mm((number, *middle[1:]))[2 - self.axis]
        return (
            f"{NAMES[self.axis]} slice {number} of 0 to {self.count - 1}, "
            f"LPS {COORDINATES[self.axis]} = {place:.1f} mm"
        )


def section(body: Upright, number: int, window: Window, room: Size) -> Plane:
    """Slice `number` of the given volume, as large as fits. Raises SliceError."""
    flat = np.take(body.turned.voxels, body.index(number), axis=body.axis)
    return _plane(body.turned, flat, body.axis, window, room)


def overview(body: Upright, room: Size) -> tuple[Plane, str]:
    """The brightest voxel from front to back, of a chest without its bones; and a caption."""
    seen, boneless = seen_from_front(body.turned)
    window = CTPA if boneless else MIP
    of = "the lungs and what is between them, without bones" if boneless else "the whole volume"
    words = f"coronal maximum intensity projection of {of}, window {window}"
    return _plane(body.turned, seen, 1, window, room), words


def _plane(turned: Volume, flat: NDArray[np.int16], axis: int, window: Window, room: Size) -> Plane:
    down_mm, along_mm = np.delete(turned.spacing_mm, axis)
    rows, columns = flat.shape
    scale = min(room[0] / (columns * along_mm), room[1] / (rows * down_mm))
    size = (max(1, round(columns * along_mm * scale)), max(1, round(rows * down_mm * scale)))
    grey = window.grey(flat[::-1] if axis else flat)
    image = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    shown = look.Shown(image, (size[0] / columns, size[1] / rows))
    return Plane(shown, axis, rows, float(scale))


def sides(image: Image.Image, plane: Plane) -> None:
    """The letters of the patient's sides at the edges, and a bar of so many millimetres."""
    left, right, top, bottom = SIDES[plane.axis]
    wide, high = image.size
    for letter, at, anchor in (
        (left, (INSET, high // 2), "lm"), (right, (wide - INSET, high // 2), "rm"),
        (top, (wide // 2, INSET // 2), "ma"), (bottom, (wide // 2, high - INSET // 2), "md"),
    ):  # fmt: skip
        lettered(image, letter, at, anchor, LETTERS)
    length = next((mm for mm in BARS_MM if mm * plane.px_per_mm <= BAR_SHARE * wide), BARS_MM[-1])
    x1, y = wide - INSET, high - INSET
    x0 = x1 - round(length * plane.px_per_mm)
    pen = ImageDraw.Draw(image)
    for ink, width in ((BLACK, 5), (WHITE, 3)):
        pen.line((x0, y, x1, y), ink, width)
    lettered(image, f"{length} mm", (x1, y - 5), "rd", BAR)


def line_of_slice(image: Image.Image, plane: Plane, body: Upright, number: int) -> None:
    """Where in an overview slice `number` lies; nothing where it is parallel to it."""
    if body.axis == plane.axis:
        return
    ends = np.array([[0, 0, 0], np.array(body.turned.voxels.shape) - 1])
    ends[:, body.axis] = body.index(number)
    (x0, y0), (x1, y1) = (plane.at(end) for end in ends)
    pen = ImageDraw.Draw(image)
    length = max(1, int(np.hypot(x1 - x0, y1 - y0)))
    for start in range(0, length, 2 * DASH):
        a, b = start / length, min(start + DASH, length) / length
        pen.line((x0 + (x1 - x0) * a, y0 + (y1 - y0) * a,
                  x0 + (x1 - x0) * b, y0 + (y1 - y0) * b), SKY, 2)  # fmt: skip
    aside = (3 * INSET, 3) if abs(x1 - x0) > abs(y1 - y0) else (4, 3 * INSET)
    at = (min(x0, x1) + aside[0], min(y0, y1) + aside[1])
    lettered(image, f"slice {number}", at, "la", BAR, SKY)


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures below one another on black, their left edges in line."""
    high = sum(one.height for one in pictures) + SPACE * (len(pictures) - 1)
    canvas = Image.new("RGB", (max(one.width for one in pictures), high), BLACK)
    y = 0
    for one in pictures:
        canvas.paste(one, (0, y))
        y += one.height + SPACE
    return canvas


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two pictures on black, their upper edges level."""
    wide, high = left.width + SPACE + right.width, max(left.height, right.height)
    canvas = Image.new("RGB", (wide, high), BLACK)
    canvas.paste(left, (0, 0))
    canvas.paste(right, (left.width + SPACE, 0))
    return canvas


def lettered(
    image: Image.Image, text: str, at: tuple[float, float], anchor: str, size: int,
    colour: Colour = WHITE,
) -> None:  # fmt: skip
    """Letters that can be read on any ground."""
    ImageDraw.Draw(image).text(
        at, text, colour, look.font(size), anchor=anchor, stroke_width=2, stroke_fill=BLACK
    )
