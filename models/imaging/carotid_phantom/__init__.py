"""A synthetic common carotid artery, cut along its axis, in B-mode ultrasound.

The far wall's two lines are known to a fraction of a pixel: lumen-intima and media-adventitia, in
pixels of the image, 0, 0 in the middle of the first pixel. walls.py draws the artery, tissue.py
says what it sends back, scanner.py what a scanner makes of it, screen.py what stands around it,
readers.py how people trace it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.case import Mask
from models.imaging.carotid_phantom import dicom, readers, scanner, screen, tissue
from models.imaging.carotid_phantom.readers import READERS, Points
from models.imaging.carotid_phantom.style import STYLES, Looks, StyleName, looks
from models.imaging.carotid_phantom.walls import walls
from models.task import Phantom

__all__ = ["READERS", "Frame", "dicom_image", "frame", "patient"]
SIDES = ("L", "R")
ACROSS_MAX = 740  # pixels of tissue; a screen has margins beside it


@dataclass(frozen=True, eq=False)
class Frame:
    """An image and what is true of it.

    `pixels` [y, x] uint8, grey. The lines are [n, 2] x, y in pixels, one point for each column of
    the tissue; `region_px` is where the tissue lies on the screen, x0, y0, x1, y1, half-open.
    """

    pixels: Mask
    lumen_intima: Points
    media_adventitia: Points
    spacing_mm: tuple[float, float]  # (row, column)
    region_px: tuple[int, int, int, int]
    looks: Looks


def patient(rng: np.random.Generator, index: int, *, style: StyleName = "usual") -> Phantom:
    """A left and a right image of one person as files of a CUBS tree, traced by three readers."""
    subject = f"clin_{index + 1:04d}"
    files: dict[str, bytes] = {}
    for side in SIDES:
        name, made = f"{subject}_{side}", frame(rng, style=style)
        files[f"IMAGES/{name}.tiff"] = cv2.imencode(".tiff", made.pixels)[1].tobytes()
        files[f"CF/{name}_CF.txt"] = f"{made.spacing_mm[0]:.6f}\n".encode()
        lines, pixel = (made.lumen_intima, made.media_adventitia), made.spacing_mm[0]
        for reader in READERS:
            drawn = readers.traced(rng, reader, lines, pixel)
            for end, line in zip(("LI", "MA"), drawn, strict=True):
                path = f"LIMA-Profiles/{reader.name}/{name}-{end}.txt"
                files[path] = reader.written(line).encode()
    return Phantom(subject, files)


def frame(rng: np.random.Generator, *, style: StyleName = "usual") -> Frame:
    """One image of a patient of that population."""
    look = looks(rng, STYLES[style])
    pixel = round(max(look.pixel_mm, max(look.field_mm, look.span_mm) / ACROSS_MAX), 4)
    x = np.arange(round(look.field_mm / pixel), dtype=np.float32) * pixel
    y = np.arange(round(look.span_mm / pixel), dtype=np.float32) * pixel
    x -= x.mean()
    artery = walls(rng, look, x)
    echo = tissue.neck(rng, look, artery, x, y)
    image = scanner.scanned(rng, look, echo, y, pixel)
    shown, (left, top) = screen.shown(rng, look, image, pixel)
    columns = np.arange(len(x), dtype=np.float64) + left
    lines = [
        np.column_stack([columns, line.astype(np.float64) / pixel + top])
        for line in (artery.intima, artery.adventitia)
    ]
    region = (left, top, left + len(x), top + len(y))
    return Frame(shown, lines[0], lines[1], (pixel, pixel), region, look)


def dicom_image(rng: np.random.Generator, made: Frame) -> bytes:
    """The frame as a DICOM ultrasound file with its calibrated region."""
    return dicom.image(rng, made.pixels, made.region_px, made.spacing_mm)
