"""The endoscope: what its lens sees where, the shape of its picture, and what its camera does."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import Pixels
from models.imaging.brush import Light, Plane, soft, step
from models.imaging.polyp_phantom.sight import Seen

SIZES = ((320, 288), (352, 288), (320, 256), (300, 300), (340, 272))  # width, height
Kind = TypeVar("Kind", bound=np.generic)
FOLD = 128  # OpenCV counts a picture's columns by 16 bits: the rays are rows of this many
EDGE_PX = 2.2  # over which the field ends
RED_IN_THE_DARK = np.array([0.92, 1.12, 1.18], np.float32)  # exponents of red, green, blue


@dataclass(frozen=True)
class Scope:
    """One camera. The plane of its picture is measured in half heights of the field."""

    width: int
    height: int
    middle: tuple[float, float]  # of the field, pixels
    half: float  # of the field's height, pixels
    shape: str  # octagon, circle or frame
    reach: float  # radians from the axis at one half height
    cast: tuple[float, float, float]
    contrast: float
    softness: float  # blur of the optics, pixels
    crisp: float  # how strongly the processor sharpens
    noise: float
    vignette: float
    interlaced: bool
    ghost: float  # how far colours taken one after another fall apart, per pixel of sway
    quality: int  # of the JPEG
    caption: tuple[str, ...]
    inset: bool  # a black box over the lower left, as a position tracker leaves it

    @property
    def density(self) -> float:
        """Pixels to the radian."""
        return self.half / self.reach

    @cached_property
    def _plane(self) -> tuple[Plane, Plane]:
        y, x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        return (x - self.middle[0]) / self.half, (y - self.middle[1]) / self.half

    @cached_property
    def rays(self) -> NDArray[np.float32]:
        """[3, rows, FOLD] unit directions of the field's pixels: x right, y down, z ahead.

        A fisheye, as all endoscopes are. The last pixel is repeated until a row is full.
        """
        rows, columns = np.nonzero(self.opening > 0)
        short = -len(rows) % FOLD
        x, y = (np.pad(axis[rows, columns], (0, short), "edge") for axis in self._plane)
        off = np.hypot(x, y)
        angle = np.minimum(off * self.reach, 3.0)
        side = np.sin(angle) / np.maximum(off, 1e-6)
        rays = np.stack([x * side, y * side, np.cos(angle)])
        return np.asarray(rays.reshape(3, -1, FOLD), np.float32)

    def laid_out(self, planes: NDArray[Kind]) -> NDArray[Kind]:
        """What was found along the rays [rows, FOLD, ...] as a picture [y, x, ...], 0 around it."""
        inside = self.opening > 0
        picture = np.zeros((self.height, self.width, *planes.shape[2:]), planes.dtype)
        picture[inside] = planes.reshape(-1, *planes.shape[2:])[: np.count_nonzero(inside)]
        return picture

    @cached_property
    def opening(self) -> Plane:
        """1 inside the field, 0 on the black around it, soft at the edge."""
        x, y = (np.abs(axis) for axis in self._plane)
        if self.shape == "octagon":
            beyond = np.maximum(np.maximum(x, y) - 0.99, (x + y - 1.43) / 1.41)
        elif self.shape == "circle":
            beyond = np.maximum(np.hypot(x, y) - 1.08, y - 0.99)
        else:
            wide = self.width / self.height
            corner = np.hypot(np.maximum(x - wide + 0.24, 0), np.maximum(y - 0.76, 0))
            beyond = corner - 0.235
        opening = step(-beyond, EDGE_PX / self.half)
        if self.inset:
            opening[round(self.height * 0.70) :, : round(self.width * 0.30)] = 0
        return opening

    @cached_property
    def field(self) -> NDArray[np.bool_]:
        """Where the picture shows tissue."""
        return np.asarray(self.opening > 0.5)

    def pixel(self, direction: NDArray[np.float64]) -> tuple[float, float]:
        """x, y of a direction [3] as the camera sees it."""
        side = float(np.hypot(direction[0], direction[1]))
        off = float(np.arctan2(side, direction[2])) * self.density / max(side, 1e-9)
        x, y = self.middle
        return x + off * float(direction[0]), y + off * float(direction[1])

    def exposed(self, seen: Seen) -> Light:
        """Light as the camera takes it in: an exposure for the whole, white where it mirrors."""
        level = float(np.percentile(seen.lit.ravel()[::7], 68))
        bright = 1.22 * (1 - np.exp(-1.25 * (seen.lit / level) ** 0.72))
        light = seen.colour * bright[..., None] ** RED_IN_THE_DARK
        light += np.minimum(seen.gleam, 1)[..., None] * (1 - light)
        return np.asarray(self.laid_out(light), np.float32)

    def developed(
        self, rng: np.random.Generator, light: Light, sway: tuple[float, float]
    ) -> Pixels:
        """Light to pixels; `sway` is how far the scene moves while one picture is taken (x, y)."""
        light = soft(light, self.softness)
        if self.ghost:
            light = _fallen_apart(light, (sway[0] * self.ghost, sway[1] * self.ghost))
        if self.interlaced:
            light[1::2] = _shifted(light, sway)[1::2]
        light += self.crisp * (light - soft(light, 1.6))
        x, y = self._plane
        light *= np.array(self.cast, np.float32) * (1 - self.vignette * (x * x + y * y))[..., None]
        noise = self.noise * rng.standard_normal(light.shape, dtype=np.float32)
        light += noise * (1.2 - np.clip(light[..., 1:2], 0, 1))
        shown = np.clip(light, 0, 1) * self.opening[..., None]
        curve = (255 * np.linspace(0, 1, 256) ** self.contrast).round().astype(np.uint8)
        pixels = np.asarray(cv2.LUT((255 * shown + 0.5).astype(np.uint8), curve), np.uint8)
        for line, text in enumerate(self.caption):
            place = (4, round(self.height * 0.10) + 12 * line)
            font, white = cv2.FONT_HERSHEY_PLAIN, (210, 210, 210)
            cv2.putText(pixels, text, place, font, 0.6, white, 1, cv2.LINE_AA)
        return pixels


def _shifted(light: Light, by: tuple[float, float]) -> Light:
    move = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
    size = (light.shape[1], light.shape[0])
    moved = cv2.warpAffine(light, move, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _fallen_apart(light: Light, by: tuple[float, float]) -> Light:
    """Red, green and blue as taken one after another."""
    first, last = _shifted(light, (-by[0], -by[1])), _shifted(light, by)
    return np.stack([first[..., 0], light[..., 1], last[..., 2]], axis=-1)


def smeared(rng: np.random.Generator, light: Light) -> Light:
    """As it is, or now and then out of focus or swept, yet still readable."""
    chance, strength = float(rng.random()), float(rng.uniform(0.3, 1.0))
    if chance < 0.12:
        return soft(light, 2.2 * strength)
    if chance < 0.24:
        length = 3 + 2 * round(4 * strength)
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1
        turned = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, float(rng.uniform(0, 180)), 1.0)
        kernel = np.asarray(cv2.warpAffine(kernel, turned, (length, length)), np.float32)
        return np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum()), np.float32)
    return light


def camera(rng: np.random.Generator, size: tuple[int, int] | None = None) -> Scope:
    """Some endoscope; `size` is its picture's (width, height) if that is given."""
    width, height = size or SIZES[int(rng.integers(len(SIZES)))]
    shape = str(rng.choice(["octagon", "circle", "frame"], p=[0.45, 0.3, 0.25]))
    half, shift = height / 2, 0.0
    if shape != "frame":
        half = min(height, width) / 2 * float(rng.uniform(0.96, 1.0))
        shift = max(0.0, width / 2 - half) * float(rng.choice([0, 0.9]))
    cast = 1 + rng.normal(0, [0.03, 0.035, 0.05])
    return Scope(
        width=width,
        height=height,
        middle=(width / 2 - 0.5 + shift, height / 2 - 0.5),
        half=half,
        shape=shape,
        reach=float(rng.uniform(1.02, 1.25)),
        cast=(float(cast[0]), float(cast[1]), float(cast[2])),
        contrast=float(rng.uniform(0.9, 1.15)),
        softness=float(rng.choice([0.6, 0.8, 1.0])),
        crisp=float(rng.uniform(0.2, 0.9)),
        noise=float(rng.uniform(0.006, 0.022)),
        vignette=float(rng.uniform(0.02, 0.12)),
        interlaced=bool(rng.random() < 0.2),
        ghost=float(rng.choice([0.0, 0.0, 0.7])),
        quality=int(rng.integers(80, 96)),
        caption=_caption(rng) if shape != "frame" else (),
        inset=bool(shape == "octagon" and rng.random() < 0.3),
    )


def _caption(rng: np.random.Generator) -> tuple[str, ...]:
    """What a processor writes beside the picture, or nothing."""
    day, month, year, hour, minute, view = rng.integers([1, 1, 8, 8, 0, 1], [29, 13, 24, 17, 60, 9])
    if rng.random() < 0.4:
        return ()
    return (f"{day:02d}/{month:02d}/20{year:02d}", f"{hour:02d}:{minute:02d}", f"CVP:{view}")
