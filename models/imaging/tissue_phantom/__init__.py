"""A synthetic ultrasound of a limb, cut across: vessels and a nerve in speckle, with a label map.

A vessel is an empty lumen in a bright wall that brightens what lies below it; a nerve is a bright
oval full of dark fascicles, like a honeycomb. They lie between muscles, near one another, as they
do in the forearm or the hollow of the knee; a tendon beside them is bright too and is neither.
Lengths are millimetres, brightness is decibels below full white.
"""

import io

import cv2
import numpy as np
from PIL import Image

from models.case import Mask, Pixels
from models.imaging.brush import Plane, clouds, soft, step
from models.imaging.tissue_phantom import echo
from models.imaging.tissue_phantom.anatomy import Anatomy, anatomy
from models.task import Phantom

CLASSES = ("vessel", "nerve")  # values 1 and 2 of a mask
HEIGHT, WIDTH = SIZE = 240, 288
VIEWS = 3  # images per patient: the probe slides and presses, the anatomy stays
PALETTE = (0, 0, 0, 220, 40, 40, 250, 210, 60)  # black, red, yellow
RANGE_DB = 58.0  # from black to white


def patient(rng: np.random.Generator, index: int) -> Phantom:
    """VIEWS images with palette masks of one limb, and a row for each."""
    subject, limb = f"limb_{index:03d}", anatomy(rng, SIZE)
    files: dict[str, bytes] = {}
    rows = []
    for view in range(VIEWS):
        pixels, mask = image(rng, limb)
        name = f"{subject}_{view}.png"
        files[f"images/{name}"] = cv2.imencode(".png", pixels)[1].tobytes()
        files[f"masks/{name}"] = _palette_png(mask)
        rows.append({
            "file_name": f"images/{name}", "mask": f"masks/{name}",
            "subject": subject, "spacing_mm": f"{limb.spacing_mm:.3f}",
        })  # fmt: skip
    return Phantom(subject, files, tuple(rows))


def _palette_png(mask: Mask) -> bytes:
    picture, out = Image.fromarray(mask, "P"), io.BytesIO()
    picture.putpalette(PALETTE)
    picture.save(out, "PNG")
    return out.getvalue()


def image(rng: np.random.Generator, limb: Anatomy) -> tuple[Pixels, Mask]:
    """One view as grey [y, x] uint8, log-compressed as a scanner shows it, and its label map."""
    x, y, press = _probe(rng, limb)
    seen = echo.tissue(limb, x, y)
    if limb.tendon is not None:
        seen = echo.tendon(seen, limb, limb.tendon, x, y)
    at = echo.near(limb.nerve, x, y)
    seen = echo.nerve(echo.halo(seen, at, 1.2), limb, at, x, y)
    mask = np.where(at.away < 0, 2, 0).astype(np.uint8)
    through = np.zeros_like(seen)  # dB gained or lost by what lies above
    blood = echo.LUMEN + float(rng.uniform(0, 18))  # echoes from elsewhere lie over it as a haze
    for oval in limb.vessels:
        at = echo.near(oval, x, y, press)
        seen = echo.vessel(seen, at, blood)
        through += echo.behind(at)
        mask[at.away < 0] = 1
    if limb.bone is not None:
        seen, shadow = echo.bone(seen, limb.bone, x, y)
        through -= shadow
    return _scanned(rng, seen + through), mask


def _probe(rng: np.random.Generator, limb: Anatomy) -> tuple[Plane, Plane, float]:
    """Where in the limb every pixel looks (mm), and how flat the vessels are pressed."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    across = (columns - WIDTH / 2) * limb.spacing_mm
    down = rows * limb.spacing_mm
    slide, lift, turn = rng.normal(0, [1.6, 0.25, 0.03]).tolist()
    x = across * float(rng.choice([1.0, 1.0, 0.96, 1.05])) + slide + 0.30 * clouds(rng, SIZE, 4)
    y = down + lift + turn * across + 0.22 * clouds(rng, SIZE, 4)
    return np.asarray(x, np.float32), np.asarray(y, np.float32), float(rng.uniform(0.82, 1.06))


def _scanned(rng: np.random.Generator, seen: Plane) -> Pixels:
    """Speckle, loss with depth and its compensation, the scanner's own noise, gain, compression."""
    depth = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None]
    lost = (-2 - float(rng.uniform(4, 24)) * depth**1.5) + 1.5 * clouds(rng, (HEIGHT, 2), 1)[:, :1]
    contact = -float(rng.uniform(0, 9)) * step(clouds(rng, (2, WIDTH), 4)[:1] - 1.2, 0.8)
    amplitude = 10 ** ((seen + lost + contact) / 20)
    fields = rng.standard_normal((2, HEIGHT, WIDTH), dtype=np.float32)
    spread = [cv2.GaussianBlur(field, (0, 0), sigmaX=1.5, sigmaY=0.75) for field in fields]
    wave = np.hypot(spread[0], spread[1])
    wave = wave / np.sqrt((wave**2).mean()) * soft(np.asarray(amplitude, np.float32), 0.6)
    noise = 10 ** (-66 / 20) * np.hypot(*rng.standard_normal((2, HEIGHT, WIDTH), dtype=np.float32))
    shown = 20 * np.log10(wave + noise * (1 + 4 * depth)) + float(rng.normal(0, 3.0))
    grey = 255 * (1 + shown / RANGE_DB)
    return np.asarray(np.clip(grey, 0, 255).round(), dtype=np.uint8)
