"""A curve below an image: a value for each column, its mean and its largest."""

import math

import cv2
import numpy as np
from PIL import Image, ImageDraw

from models.case import Pixels, Points
from models.pictures import lines, look, marks
from models.pictures.look import Shown

HIGH, HEAD, FOOT = 150, 30, 12  # shown pixels: all of it, above the largest value, below nothing
TICKS = 4  # at most, above nothing
STEPS = (1, 2, 2.5, 5, 10)
BLUE, ORANGE, GREY = (0, 114, 178), (213, 94, 0), (95, 107, 118)
RULE = (227, 231, 235)
LETTERS, SIGN, SPACE = 12, 18, 10


def below(values: Points, shown: Shown, unit: str, gap: float) -> Image.Image:
    """As wide as the image as shown; `values` [n, 2] are column and value from 0 upwards."""
    width = shown.image.width
    most = float(values[:, 1].max())
    step = _step(most)
    top = max(step, math.ceil(most / step - 1e-9) * step)
    per_unit = (HIGH - HEAD - FOOT) / top

    def level(value: float) -> float:
        return HIGH - FOOT - value * per_unit

    ground = np.full((HIGH, width, 3), 255, np.uint8)
    ticks = [step * k for k in range(round(top / step) + 1)]
    for tick in ticks:
        ground[round(level(tick))] = RULE
    mean, at_most = float(values[:, 1].mean()), int(values[:, 1].argmax())
    _dashed(ground, round(level(mean)))
    places = [
        np.column_stack(
            [(piece[:, 0] + 0.5) * shown.scale[0] - 0.5, level(0) - piece[:, 1] * per_unit]
        )
        for piece in lines.pieces(values, gap)
    ]
    lines.stroke(ground, places, BLUE, 2)
    x, y = (values[at_most, 0] + 0.5) * shown.scale[0] - 0.5, level(most)
    cv2.circle(ground, (round(x), round(y)), 4, ORANGE, -1, cv2.LINE_AA)
    image = Image.fromarray(ground)
    digits = 2 if unit == "mm" else 1
    _letter(image, [(level(tick), f"{tick:g}") for tick in ticks])
    _head(image, f"thickness, {unit}", f"mean {mean:.{digits}f}", f"max {most:.{digits}f}")
    return image


def _step(most: float) -> float:
    """The least round step of which TICKS reach the largest value."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most / TICKS))
    return next(power * step for step in STEPS if power * step * TICKS >= most * (1 - 1e-9))


def _dashed(ground: Pixels, y: int) -> None:
    for x in range(0, ground.shape[1], 10):
        ground[y, x : x + 5] = GREY


def _letter(image: Image.Image, ticks: list[tuple[float, str]]) -> None:
    """The ticks' values at the left; the curve stays whole where it passes them."""
    for y, text in ticks:
        _text(image, (4, y - 1), text, GREY, "lb")


def _head(image: Image.Image, what: str, mean: str, most: str) -> None:
    """Above the curve: what it shows, where there is room, and its two values with their signs."""
    x = image.width - 4.0
    for text, colour in ((most, ORANGE), (mean, GREY)):
        _text(image, (x, 5), text, colour, "ra")
        x -= look.font(LETTERS).getlength(text) + SIGN
        pen = ImageDraw.Draw(image)
        if colour == ORANGE:
            pen.ellipse((x + 6, 9, x + 13, 16), colour)
        else:
            pen.line((x, 12, x + 5, 12), colour)
            pen.line((x + 10, 12, x + 15, 12), colour)
        x -= SPACE
    if look.font(LETTERS).getlength(what) + 4 < x:
        _text(image, (4, 5), what, GREY, "la")


def _text(
    image: Image.Image, at: tuple[float, float], text: str, colour: marks.Colour, anchor: str
) -> None:
    ImageDraw.Draw(image).text(at, text, colour, look.font(LETTERS), anchor=anchor)
