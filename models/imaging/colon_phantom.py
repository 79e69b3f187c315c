"""A synthetic colonoscopy: frames of one tube, readable or spoilt, drawn from arithmetic alone.

Readable: a dark lumen, haustral folds, vessels, highlights. Spoilt: motion or defocus blur, the
lens on the wall, bubbles and water, stool. How spoilt a frame is varies without a gap, as in real
videos, so no reader is always right; each video has its own colour, light, folds and noise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from models.case import Pixels
from models.imaging.brush import Light, Plane, branch, bubble, clouds, soft, step
from models.task import Phantom

HEIGHT, WIDTH = SIZE = 240, 320
FRAMES = 4  # per video, half of them readable
SPOILT = (0.30, 1.0)  # how strongly the frames of each kind are spoilt: the ranges overlap
READABLE = (0.0, 0.38)
RINGS = 64


@dataclass(frozen=True)
class Style:
    """What the frames of one video share: this colon, this endoscope."""

    wall: Light  # RGB
    gain: float
    folds: float  # rings per unit of depth
    fold_height: float
    triangle: float  # how triangular the lumen is
    vessels: int
    noise: float
    quality: int  # of the JPEG
    corner: float  # how far the black frame cuts the corners


def video(rng: np.random.Generator, index: int) -> Phantom:
    """FRAMES frames in class folders, and a row for each in metadata.csv."""
    subject, style = f"video_{index:03d}", _style(rng)
    labels = np.array(["informative", "non_informative"] * (FRAMES // 2))
    rng.shuffle(labels)
    files, rows = {}, []
    for number, label in enumerate(labels):
        name = f"{label}/{subject}_{number:02d}.jpg"
        pixels = frame(rng, style, readable=label == "informative")
        quality = [cv2.IMWRITE_JPEG_QUALITY, style.quality]
        _, coded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), quality)
        files[name] = coded.tobytes()
        rows.append({"file_name": name, "label": str(label), "subject": subject})
    return Phantom(subject, files, tuple(rows))


def _style(rng: np.random.Generator) -> Style:
    wall = np.array([0.86, 0.50, 0.40]) + rng.normal(0, [0.04, 0.045, 0.04])
    return Style(
        wall=np.clip(wall, 0.15, 1.0).astype(np.float32),
        gain=float(rng.uniform(0.8, 1.15)),
        folds=float(rng.uniform(2.1, 3.4)),
        fold_height=float(rng.uniform(0.6, 1.0)),
        triangle=float(rng.uniform(0.05, 0.16)),
        vessels=int(rng.integers(4, 12)),
        noise=float(rng.uniform(0.010, 0.028)),
        quality=int(rng.integers(72, 93)),
        corner=float(rng.uniform(1.42, 1.62)),
    )


def frame(rng: np.random.Generator, style: Style, *, readable: bool) -> Pixels:
    """One frame [y, x, 3] uint8: the tube, then what spoils it, then the camera."""
    light = _tube(rng, style)
    spoil = SPOILERS[int(rng.integers(len(SPOILERS)))]
    light = spoil(rng, style, light, float(rng.uniform(*(READABLE if readable else SPOILT))))
    light = soft(light, float(rng.uniform(0.4, 0.8)))
    light = light * style.gain * float(rng.uniform(0.9, 1.1))
    light = light + style.noise * rng.standard_normal(light.shape, dtype=np.float32)
    x, y = _grid()
    light = light * step(np.asarray(style.corner - np.hypot(x, y), np.float32), 0.02)[..., None]
    return np.asarray(np.clip(light * 255, 0, 255).round(), dtype=np.uint8)


# ---- the tube -------------------------------------------------------------------------------


def _grid() -> tuple[Plane, Plane]:
    """x and y of every pixel, in half heights from the middle of the frame."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return (x - WIDTH / 2) / (HEIGHT / 2), (y - HEIGHT / 2) / (HEIGHT / 2)


def _tube(rng: np.random.Generator, style: Style) -> Light:
    """A look into the colon: the wall is near at the rim of the frame, far at the lumen."""
    radius, angle = _polar(rng, style)
    # Light falls off with depth, and the longer its way the redder it is.
    lit = 0.05 + 0.95 * (1 - np.exp(-((radius / rng.uniform(0.55, 0.85)) ** 1.5)))
    shade, crest = _folds(rng, style, radius, angle)
    lit = np.clip(
        lit * shade * (1 + 0.10 * clouds(rng, SIZE, 12) + 0.05 * clouds(rng, SIZE, 40)), 0, 1.2
    )
    light = style.wall * np.stack([lit**0.85, lit**1.2, lit**1.3], axis=-1)
    vessels = _vessels(rng, style.vessels)[..., None] * np.clip(radius - 0.2, 0, 1)[..., None]
    light = light * (1 - vessels * np.array([0.16, 0.42, 0.38], dtype=np.float32))
    gleam = _highlights(rng, radius, crest)[..., None]
    return np.asarray(light + gleam * (1 - light), dtype=np.float32)


def _polar(rng: np.random.Generator, style: Style) -> tuple[Plane, Plane]:
    """Distance from the lumen's middle and the angle about it; the far tube bends away."""
    x, y = _grid()
    # As plain floats: a float64 scalar of NumPy's would turn every plane into float64.
    middle, bend = rng.uniform(-0.45, 0.45, 2).tolist(), rng.uniform(-0.35, 0.35, 2).tolist()
    far = np.exp(-np.hypot(x - middle[0], y - middle[1]) * 2.2)
    x = x - middle[0] - bend[0] * far
    y = y - middle[1] - bend[1] * far
    angle = np.arctan2(y, x)
    turn, warp = rng.uniform(0, 2 * np.pi, 2).tolist()
    bulge = 1 + style.triangle * np.cos(3 * angle + turn) + 0.03 * np.cos(5 * angle + warp)
    return np.asarray(np.hypot(x, y) * bulge, np.float32), np.asarray(angle, np.float32)


def _folds(
    rng: np.random.Generator, style: Style, radius: Plane, angle: Plane
) -> tuple[Plane, Plane]:
    """Shade (a factor) and crest (0..1) of the haustral folds: rings that stand into the lumen.

    A fold's crest catches the light and hides what lies behind it: bright outside, dark inside.
    """
    depth = style.folds * np.log(1 + 2.2 / (radius + 0.06))
    depth = depth + rng.uniform(0, 1) + 0.10 * np.cos(2 * angle + rng.uniform(0, 2 * np.pi))
    depth = depth + 0.12 * clouds(rng, SIZE, 5)
    ring = np.clip(depth.astype(np.int32), 0, RINGS - 1)
    phase = depth - np.floor(depth)
    reach = rng.uniform(0.35, 1.0, RINGS).astype(np.float32)[ring]  # no fold runs all the way round
    where = rng.uniform(0, 2 * np.pi, RINGS).astype(np.float32)[ring]
    height = style.fold_height * (1 - reach * 0.5 * (1 - np.cos(angle - where)))
    crest = np.exp(-(((phase - 0.88) / 0.08) ** 2)) * height
    hidden = np.exp(-(phase / 0.22)) * height
    shade = 1 + 0.42 * crest - 0.58 * hidden + 0.10 * (phase - 0.5) * height
    return np.asarray(shade, np.float32), np.asarray(crest, np.float32)


def _vessels(rng: np.random.Generator, trees: int) -> Plane:
    """Branching vessels as a mask 0..1."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(trees):
        start = rng.uniform((0, 0), (WIDTH, HEIGHT))
        branch(rng, mask, start, float(rng.uniform(0, 2 * np.pi)), int(rng.integers(25, 60)), 2)
    return soft(np.asarray(mask / 255, np.float32), 0.6)


def _highlights(rng: np.random.Generator, radius: Plane, crest: Plane) -> Plane:
    """Wet spots that mirror the lamp, mostly on crests that are near."""
    chance = (np.clip(radius - 0.25, 0, 0.8) * (0.05 + crest**2)).ravel()
    places = rng.choice(chance.size, size=int(rng.integers(5, 22)), p=chance / chance.sum())
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for place in places:
        y, x = divmod(int(place), WIDTH)
        axes = (int(rng.integers(1, 6)), int(rng.integers(1, 3)))
        cv2.ellipse(mask, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
    return soft(np.asarray(mask / 255, np.float32), 0.7)


# ---- what spoils a frame; `how_much` runs from 0, not at all, to 1 ----------------------------


def _motion(rng: np.random.Generator, style: Style, light: Light, how_much: float) -> Light:  # noqa: ARG001
    """The tip was swept sideways while the shutter was open."""
    length = 1 + round(46 * how_much)
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turned = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, float(rng.uniform(0, 180)), 1.0)
    kernel = np.asarray(cv2.warpAffine(kernel, turned, (length, length)), np.float32)
    return np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum()), np.float32)


def _defocus(rng: np.random.Generator, style: Style, light: Light, how_much: float) -> Light:  # noqa: ARG001
    """The lens is wet: everything is soft, and the light spreads."""
    blurred = soft(light, 0.2 + 7 * how_much)
    glare = soft(light, 30).mean(axis=2, keepdims=True)
    return np.asarray(blurred * (1 - 0.3 * how_much) + glare * 0.35 * how_much, np.float32)


def _wall(rng: np.random.Generator, style: Style, light: Light, how_much: float) -> Light:
    """The lens lies on the wall: red without form, brighter where the lamp shines through."""
    x, y = _grid()
    lamp = rng.uniform(-0.8, 0.8, 2).tolist()
    near = np.exp(-((x - lamp[0]) ** 2 + (y - lamp[1]) ** 2) / rng.uniform(0.6, 1.6))
    lit = (0.45 + 0.55 * near) * (1 + 0.12 * clouds(rng, SIZE, 6) + 0.03 * clouds(rng, SIZE, 60))
    red = style.wall * np.array([1.0, 0.45, 0.42], np.float32) * lit[..., None].astype(np.float32)
    glow = np.clip(near - 0.75, 0, 1)[..., None].astype(np.float32) * 2.2 * how_much
    red = red + glow * (1 - red)
    # The wall slides in from one side until it fills the frame.
    side = rng.uniform(0, 2 * np.pi)
    along = np.cos(side) * x + np.sin(side) * y + 0.25 * clouds(rng, SIZE, 4)
    cover = step(along + 3.2 * how_much - 1.35, 0.45)[..., None]
    light = soft(light, 0.1 + 2.5 * how_much)
    return np.asarray(light * (1 - cover) + red * cover, np.float32)


def _bubbles(rng: np.random.Generator, style: Style, light: Light, how_much: float) -> Light:  # noqa: ARG001
    """Foam and water: bubbles in drifts, each with a bright rim, and a milky veil between."""
    veil = np.clip(how_much * 1.1 + 0.35 * clouds(rng, SIZE, 5) - 0.25, 0, 0.85)[..., None]
    below = soft(light, 0.1 + 4 * how_much)
    milk = np.array([0.80, 0.72, 0.58], np.float32) * (
        0.35 + 0.65 * below.mean(axis=2, keepdims=True)
    )
    light = below * (1 - veil) + milk * veil
    drift = clouds(rng, SIZE, 4).ravel()
    chance = np.exp(2.5 * drift)
    count = int(260 * how_much**1.2)
    for place in rng.choice(chance.size, size=count, p=chance / chance.sum()):
        radius = int(np.clip(rng.gamma(2.5, 2.2), 2, 16))
        bubble(light, int(place) % WIDTH, int(place) // WIDTH, radius)
    return np.asarray(np.clip(light, 0, 1), np.float32)


def _stool(rng: np.random.Generator, style: Style, light: Light, how_much: float) -> Light:  # noqa: ARG001
    """Residue: clods with a shaded edge, and brown liquid over the rest."""
    field = clouds(rng, SIZE, 4) + 0.5 * clouds(rng, SIZE, 10) + 0.22 * clouds(rng, SIZE, 34)
    level = float(np.quantile(field, 1 - min(0.95, 0.92 * how_much)))
    cover = step(field - level, 0.10)[..., None]
    brown = np.array([0.58, 0.38, 0.16]) + rng.normal(0, 0.07) + rng.normal(0, 0.02, 3)
    brown = brown.astype(np.float32)
    bright = light.mean(axis=2, keepdims=True)
    relief = 1 + 0.13 * clouds(rng, SIZE, 24)[..., None] + 0.09 * clouds(rng, SIZE, 80)[..., None]
    clod = (
        brown
        * relief
        * (0.35 + 1.1 * bright)
        * (0.55 + 0.45 * step(field - level - 0.1, 0.35)[..., None])
    )
    liquid = 0.55 * max(0.0, how_much - 0.25)
    light = light * (1 - liquid) + liquid * brown * (0.4 + bright)
    return np.asarray(light * (1 - cover) + clod * cover, np.float32)


Spoiler = Callable[[np.random.Generator, Style, Light, float], Light]
SPOILERS: tuple[Spoiler, ...] = (_motion, _defocus, _wall, _bubbles, _stool)
