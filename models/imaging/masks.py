"""Mask files to label maps: [y, x] uint8, a pixel is a class index, 0 is background."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.imaging import frames
from models.imaging.frames import UnreadableError

LABELS_MAX = 32  # values a map without a palette may hold; more are taken to be grey levels
HALF = 127  # a binary mask is what is brighter than this


def read_mask(data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """The label map of a mask file, upright.

    A JPEG, or values within {0, 255}: binary at 127. A PNG with a palette, or at most 32 values:
    a label map as it is. Everything else is UnreadableError (`bad_mask`).
    """
    header = frames.examine(data, max_pixels)
    if header.format == "JPEG":
        pixels, _ = frames.decode(data, max_pixels)
        return np.asarray(pixels.mean(axis=2) > HALF, dtype=np.uint8)
    with frames.opened(data) as image:
        try:
            values = _values(image)
        except frames.BROKEN as error:
            raise UnreadableError("damaged_image", "the mask is damaged or incomplete") from error
        labels = _labels(values, palette=image.mode == "P" and header.format == "PNG")
    return frames.upright(labels, header)


def _values(image: Image.Image) -> NDArray[np.generic]:
    """[y, x]; colour is accepted where all channels say the same, alpha is not looked at."""
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    if values.ndim == 2:
        return values
    colour = values[..., : 1 if image.mode == "LA" else 3]
    if (colour != colour[..., :1]).any():
        raise UnreadableError(
            "bad_mask", "the mask is in colour; give a class index per pixel, or a PNG palette"
        )
    grey: NDArray[np.generic] = colour[..., 0]
    return grey


def _labels(values: NDArray[np.generic], *, palette: bool) -> NDArray[np.uint8]:
    found = np.unique(values)
    if set(found.tolist()) <= {0, 255}:
        return np.asarray(values == 255, dtype=np.uint8)
    if found.min() < 0 or found.max() > 255:
        raise UnreadableError("bad_mask", "the mask has values beyond 0 to 255")
    if not palette and len(found) > LABELS_MAX:
        raise UnreadableError(
            "bad_mask",
            f"{len(found)} values in the mask; a label map has at most {LABELS_MAX}, a binary "
            "mask 0 and 255",
        )
    return np.asarray(values, dtype=np.uint8)
