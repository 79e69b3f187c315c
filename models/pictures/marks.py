"""Marks in an image: outlines, fills and stripes of masks, boxes, and the tags that name them.

Everything here draws into the image as shown; masks and boxes come in pixels of the original.
Each mark has a black edge inside and out of a bright line, so that it stands on any ground.
"""

import base64
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.case import Box, Mask, Pixels
from models.pictures.look import Shown, font

Colour = tuple[int, int, int]
Where = NDArray[np.bool_]  # [y, x], True inside
Place = tuple[int, int, int, int]  # x0, y0, x1, y1 in the image as shown
# Okabe and Ito, without black: one per mask class, repeated when there are more.
MASK_COLOURS: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
)
GREY: Colour = (170, 176, 182)
YELLOW: Colour = (240, 228, 66)
SKY: Colour = (86, 180, 233)
LINE, EDGE = 2, 5  # shown pixels: the bright line, and the black one below it
DASH, GAP = 9, 7
STRIPE = 6  # shown pixels between the stripes of what nobody said
TAG_PAD, TAG_SIZE = 4, 15
SLIM = 20  # shown pixels to the edge: a number in less would cover what it names
HALF, QUARTER = 128, 64


def colour_of(index: int) -> Colour:
    """The colour of mask class `index`, 1 the first."""
    return MASK_COLOURS[(index - 1) % len(MASK_COLOURS)]


def mask_of(encoded: str) -> Mask:
    """[y, x] uint8 class indices of a finding's mask."""
    content = np.frombuffer(base64.b64decode(encoded), np.uint8)
    mask = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise ValueError("the finding's mask is no PNG")
    return np.asarray(mask, dtype=np.uint8)


def region(there: Where, shown: Shown) -> Where:
    """[y, x] of the original to the same of the image as shown.

    Enlarged smoothly; reduced so that a structure of half the new pixel's width stays.
    """
    found = there.astype(np.uint8) * 255
    size = shown.image.size
    reduced = shown.scale[0] < 1.0
    sized = cv2.resize(found, size, interpolation=cv2.INTER_AREA if reduced else cv2.INTER_LINEAR)
    return np.asarray(sized >= (QUARTER if reduced else HALF))


def contours(where: Where) -> list[NDArray[Any]]:
    found, _ = cv2.findContours(where.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return list(found)


def outline(pixels: Pixels, where: Where, colour: Colour, *, dashed: bool = False) -> None:
    """Draws the outline of a region into the pixels, a black edge first."""
    lines = [line for found in contours(where) for line in (_dashes(found) if dashed else [found])]
    for ink, width in (((0, 0, 0), EDGE), (colour, LINE)):
        cv2.polylines(pixels, lines, not dashed, ink, width, cv2.LINE_AA)


def _dashes(contour: NDArray[Any]) -> list[NDArray[Any]]:
    return [contour[start : start + DASH] for start in range(0, len(contour), DASH + GAP)]


def filled(pixels: Pixels, where: Where, colour: Colour, share: float) -> None:
    """Lays a colour over a region, of which `share` is seen."""
    mixed = pixels[where] * (1.0 - share) + np.array(colour) * share
    pixels[where] = mixed.round().astype(np.uint8)


def striped(pixels: Pixels, where: Where) -> None:
    """Grey stripes over a region: nobody said what it shows."""
    y, x = np.ogrid[: where.shape[0], : where.shape[1]]
    filled(pixels, where & ((x + y) % (2 * STRIPE) < STRIPE // 2), GREY, 0.8)
    outline(pixels, where, GREY, dashed=True)


def numbered(image: Image.Image, where: Where, number: int) -> None:
    """A region's number where each of its pieces is deepest; at its side if all are too slim."""
    depth = cv2.distanceTransform(np.pad(where.astype(np.uint8), 1), cv2.DIST_L2, cv2.DIST_MASK_5)
    depth = depth[1:-1, 1:-1]
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8))
    large = [piece for piece in range(1, count) if facts[piece, cv2.CC_STAT_AREA] >= SLIM**2]
    places = [_deepest(np.where(pieces == piece, depth, 0)) for piece in large]
    roomy = [(x, y) for x, y in places if depth[y, x] >= SLIM]
    if where.any() and not roomy:
        roomy = [_beside_slim(where, image.width, _deepest(depth))]
    for place in roomy:
        ImageDraw.Draw(image).text(
            place, str(number), (255, 255, 255), font(TAG_SIZE),
            anchor="mm", stroke_width=3, stroke_fill=(0, 0, 0),
        )  # fmt: skip


def _deepest(depth: NDArray[Any]) -> tuple[int, int]:
    y, x = divmod(int(depth.argmax()), depth.shape[1])
    return x, y


def _beside_slim(where: Where, width: int, inside: tuple[int, int]) -> tuple[int, int]:
    """Right of the region, or in it where the image ends there."""
    rows, columns = np.nonzero(where)
    x = int(columns.max()) + TAG_SIZE
    return x if x + TAG_SIZE < width else inside[0], max(int(rows.min()), TAG_SIZE)


def boxed(image: Image.Image, box: Box, shown: Shown, colour: Colour) -> Place:
    """Draws a box around its pixels, covering none of them but at the image's edge; answers
    where it now is.
    """
    left, top = (round(box[axis] * shown.scale[axis]) - LINE for axis in (0, 1))
    right, bottom = (round(box[axis + 2] * shown.scale[axis]) + LINE for axis in (0, 1))
    x0, y0 = min(max(left, 0), image.width - 1), min(max(top, 0), image.height - 1)
    x1, y1 = min(max(right - 1, x0), image.width - 1), min(max(bottom - 1, y0), image.height - 1)
    pen = ImageDraw.Draw(image)
    pen.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0))
    pen.rectangle((x0, y0, x1, y1), outline=colour, width=LINE)
    return x0 - 1, y0 - 1, x1 + 2, y1 + 2


def ring(
    image: Image.Image, at: tuple[float, float], radius: float, colour: Colour, *,
    dashed: bool = False,
) -> Place:  # fmt: skip
    """Draws a circle; answers where it now is."""
    x, y = at
    pen = ImageDraw.Draw(image)
    turns = range(0, 360, 45) if dashed else (0,)
    for ink, edge, width in (((0, 0, 0), 1, LINE + 2), (colour, 0, LINE)):
        reach = radius + edge
        for start in turns:
            box = (x - reach, y - reach, x + reach, y + reach)
            pen.arc(box, start, start + (25 if dashed else 360), fill=ink, width=width)
    low, high = int(radius + 2), int(radius + 3)
    return int(x) - low, int(y) - low, int(x) + high, int(y) + high


def tag(image: Image.Image, text: str, box: Place, colour: Colour, taken: Sequence[Place]) -> Place:
    """White letters on black beside a box, framed in its colour; in it where no side is free."""
    lettering = font(TAG_SIZE)
    size = (round(lettering.getlength(text)) + 2 * TAG_PAD, TAG_SIZE + 2 * TAG_PAD)
    place = _beside(box, size, image.size, taken)
    pen = ImageDraw.Draw(image)
    pen.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=(0, 0, 0), outline=colour)
    at = (place[0] + TAG_PAD, (place[1] + place[3]) // 2)
    pen.text(at, text, (255, 255, 255), lettering, anchor="lm")
    return place


def _beside(
    box: Place, size: tuple[int, int], image: tuple[int, int], taken: Sequence[Place]
) -> Place:
    """Above, below, right of, left of or in the box: the first place that covers the least."""
    wide, high = size
    above, below = box[1] - high, box[3]
    x = min(max(box[0], 0), max(image[0] - wide, 0))
    y = min(max(box[1], 0), max(image[1] - high, 0))
    corners = (
        (x, above), (box[2] - wide, above), (x, below), (box[2] - wide, below),
        (box[2], y), (box[0] - wide, y), (x, y),
    )  # fmt: skip
    places = [(left, top, left + wide, top + high) for left, top in corners]
    inside = [
        place for place in places
        if min(place[:2]) >= 0 and place[2] <= image[0] and place[3] <= image[1]
    ]  # fmt: skip
    return min(inside or places[-1:], key=lambda place: sum(_shared(place, it) for it in taken))


def _shared(one: Place, other: Place) -> int:
    """The area of two places' overlap, in shown pixels."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0) * max(high, 0)


def swatch(pen: ImageDraw.ImageDraw, at: tuple[int, int], size: int, colour: Colour) -> None:
    """A patch of a mask's colour for a legend."""
    pen.rectangle((*at, at[0] + size - 1, at[1] + size - 1), fill=colour, outline=(0, 0, 0))


def striped_swatch(pen: ImageDraw.ImageDraw, at: tuple[int, int], size: int) -> None:
    swatch(pen, at, size, (255, 255, 255))
    for shift in range(STRIPE, 2 * size, STRIPE):
        low, high = max(shift - size + 1, 0), min(shift, size - 1)
        pen.line((at[0] + low, at[1] + shift - low, at[0] + high, at[1] + shift - high), GREY, 2)


def box_swatch(pen: ImageDraw.ImageDraw, at: tuple[int, int], size: int) -> None:
    right, bottom = at[0] + size - 1, at[1] + size - 1
    pen.rectangle((*at, right, bottom), outline=(0, 0, 0), width=4)
    pen.rectangle((at[0] + 1, at[1] + 1, right - 1, bottom - 1), outline=YELLOW, width=2)
