"""How another camera, light or operator would have shown the same thing: colour, blur, noise.

Everything here works on a patch [size, size, 3] uint8 in place of the camera and costs a
millisecond or two; where something is laid over the picture, the mask says so.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.case import Mask, Pixels

LUMA = np.array([0.299, 0.587, 0.114])
GREY = np.tile(LUMA, (3, 1))
# Turns of hue are turns about the grey axis.
AXIS = np.full(3, 1 / np.sqrt(3))
CROSS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)


@dataclass(frozen=True)
class Look:
    """Ranges of what is drawn, each about "as recorded"; chances are from 0 to 1.

    brightness  grey levels to either side
    contrast, saturation, gamma, gain   factors, from 1 / f to f; `gain` of each colour alone
    hue_deg     to either side
    blur, soft, noise, jpeg   chances of a blur, of a loss of resolution, of noise, of a JPEG
    endoscope   chance of each of: darker edges, highlights, a black surround, a patch of overlay
    """

    brightness: float
    contrast: float
    gamma: float
    saturation: float = 1.0
    gain: float = 1.0
    hue_deg: float = 0.0
    blur: float = 0.0
    soft: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    endoscope: float = 0.0


def recoloured(
    pixels: Pixels, mask: Mask, look: Look, rng: np.random.Generator
) -> tuple[Pixels, Mask]:
    """The patch as another camera might have recorded it, and its mask."""
    seen = _colours(pixels, look, rng)
    if look.endoscope:
        seen, mask = _endoscopic(seen, mask, look.endoscope, rng)
    if rng.random() < look.blur:
        seen = _blurred(seen, rng)
    if rng.random() < look.soft:
        seen = _softened(seen, rng)
    if rng.random() < look.noise:
        seen = _noisy(seen, rng)
    if rng.random() < look.jpeg:
        seen = _recoded(seen, rng)
    return np.ascontiguousarray(seen, dtype=np.uint8), np.ascontiguousarray(mask, dtype=np.uint8)


def _factor(rng: np.random.Generator, limit: float) -> float:
    return float(np.exp(rng.uniform(-1, 1) * np.log(limit)))


def _colours(pixels: Pixels, look: Look, rng: np.random.Generator) -> Pixels:
    """Gamma by table, then one matrix for gains, saturation, hue, contrast and brightness."""
    gamma = _factor(rng, look.gamma)
    table = np.clip(255 * (np.arange(256) / 255) ** gamma + 0.5, 0, 255).astype(np.uint8)
    gains = np.diag([_factor(rng, look.gain) for _ in range(3)])
    saturation, contrast = _factor(rng, look.saturation), _factor(rng, look.contrast)
    angle = np.deg2rad(rng.uniform(-look.hue_deg, look.hue_deg))
    brightness = rng.uniform(-look.brightness, look.brightness)
    turned = (
        np.cos(angle) * np.eye(3)
        + np.sin(angle) * CROSS
        + (1 - np.cos(angle)) * np.outer(AXIS, AXIS)
    )
    colour = contrast * turned @ (saturation * np.eye(3) + (1 - saturation) * GREY) @ gains
    offset = np.full((3, 1), 127.5 * (1 - contrast) + brightness)
    return np.asarray(cv2.transform(cv2.LUT(pixels, table), np.hstack([colour, offset])), np.uint8)


def _blurred(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Out of focus, or moved while it was exposed."""
    size = len(pixels)
    if rng.random() < 0.5:
        sigma = size / 224 * rng.uniform(0.4, 2.0)
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)
    reach = max(1, round(size / 224 * rng.uniform(1, 4)))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    angle = rng.uniform(0, np.pi)
    step = np.array([np.cos(angle), np.sin(angle)]) * reach
    ends = [tuple(round(float(reach + sign * v)) for v in step) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], (1.0,))
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()), np.uint8)


def _softened(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Recorded with fewer pixels and enlarged again."""
    size = len(pixels)
    fewer = max(8, round(size / rng.uniform(1.3, 3.0)))
    small = cv2.resize(pixels, (fewer, fewer), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def _noisy(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Grain, the same in all colours, as coarse as a pixel or two."""
    size = len(pixels)
    cells = max(2, round(size / rng.uniform(1, 2)))
    grain = rng.standard_normal((cells, cells), dtype=np.float32) * np.float32(rng.uniform(2, 10))
    fine = cv2.resize(grain, (size, size), interpolation=cv2.INTER_LINEAR)
    coarse = cv2.cvtColor(np.asarray(fine, np.float32), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.add(pixels, coarse, dtype=cv2.CV_8U), np.uint8)


def _recoded(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Blocks and ringing of a JPEG or a video stream."""
    quality = int(rng.integers(15, 75))
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _endoscopic(
    pixels: Pixels, mask: Mask, chance: float, rng: np.random.Generator
) -> tuple[Pixels, Mask]:
    """Uneven light, reflexes, the tube's black surround, a screen's overlay."""
    if rng.random() < chance:
        pixels = _lit(pixels, rng)
    if rng.random() < chance:
        pixels = _glinting(pixels, rng)
    if rng.random() < chance:
        pixels, mask = _surrounded(pixels, mask, rng)
    if rng.random() < chance:
        pixels, mask = _overlaid(pixels, mask, rng)
    return pixels, mask


def _lit(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Brighter about a point and darker away from it, down to a quarter."""
    size = len(pixels)
    centre, reach = rng.uniform(0.2, 0.8, size=2) * size, rng.uniform(0.5, 1.3) * size
    ramp = np.arange(size, dtype=np.float32) + np.float32(0.5)
    away = ((ramp - centre[0])[:, None] ** 2 + (ramp - centre[1]) ** 2) / np.float32(reach**2)
    dimmest = np.float32(rng.uniform(0.25, 0.8))
    light = dimmest + (1 - dimmest) * np.exp(-away)
    light = np.asarray(light * rng.uniform(1.0, 1.25), np.float32)
    scaled = cv2.multiply(pixels, cv2.merge([light] * 3), dtype=cv2.CV_8U)
    return np.asarray(scaled, np.uint8)


def _glinting(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """White reflexes of the lamp on wet mucosa."""
    size = len(pixels)
    glints = np.zeros((size, size), np.uint8)
    for _ in range(int(rng.integers(1, 12))):
        at = tuple(int(v) for v in rng.integers(0, size, size=2))
        axes = tuple(max(1, int(v)) for v in size / 224 * rng.uniform(1, 7, size=2))
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(glints, at, axes, turn, 0, 360, (int(rng.integers(150, 256)),), -1)
    soft = cv2.GaussianBlur(glints, (0, 0), max(0.5, size / 224))
    return np.asarray(cv2.max(pixels, cv2.cvtColor(soft, cv2.COLOR_GRAY2RGB)), np.uint8)


def _surrounded(pixels: Pixels, mask: Mask, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Black around a circle or a rectangle with cut corners: there is nothing, and it is known."""
    size = len(pixels)
    shown = np.zeros((size, size), np.uint8)
    centre = (size / 2 + rng.uniform(-0.06, 0.06, size=2) * size).tolist()
    half = rng.uniform(0.40, 0.56, size=2) * size
    if rng.random() < 0.5:
        radius = round(float(half.max()) * 1.1)
        cv2.circle(shown, (round(centre[0]), round(centre[1])), radius, (255,), -1)
    else:
        cut = rng.uniform(0.05, 0.35) * half.min()
        x, y = half
        corners = [(x, y - cut), (x - cut, y), (cut - x, y), (-x, y - cut),
                   (-x, cut - y), (cut - x, -y), (x - cut, -y), (x, cut - y)]  # fmt: skip
        outline = np.round(np.array(corners) + centre).astype(np.int32)
        cv2.fillConvexPoly(shown, outline, (255,))
    black = np.full_like(pixels, int(rng.integers(0, 24)))
    seen = cv2.copyTo(pixels, shown, black)
    return np.asarray(seen, np.uint8), np.where(shown, mask, 0).astype(np.uint8)


def _overlaid(pixels: Pixels, mask: Mask, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """A dark or green box with lines of text, or text alone, at the edge: no tissue there."""
    size = len(pixels)
    height, width = (round(v) for v in rng.uniform(0.08, 0.32, size=2) * size)
    y0 = 0 if rng.random() < 0.5 else size - height
    x0 = 0 if rng.random() < 0.5 else size - width
    seen, truth = pixels.copy(), mask.copy()
    if rng.random() < 0.7:
        colour = rng.choice([[8, 8, 8], [20, 110, 60], [40, 40, 60]]).tolist()
        seen[y0 : y0 + height, x0 : x0 + width] = colour
        truth[y0 : y0 + height, x0 : x0 + width] = 0
    scale, step = size / 224 * 0.35, max(6, round(size / 224 * 13))
    for y in range(y0 + step, y0 + height, step):
        text = "".join(rng.choice(list("0123456789:/ ABEMPRT"), size=12))
        cv2.putText(seen, text, (x0 + 2, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (230, 230, 230))
    return seen, truth
