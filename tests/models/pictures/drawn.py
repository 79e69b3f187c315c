"""What pictures are made of and how they are looked at: masks as findings hold them, pixels."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.case import Mask


def encoded(mask: Mask) -> str:
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return image.convert("RGB")


def count(image: Image.Image, colour: tuple[int, int, int] | str) -> int:
    """Pixels of exactly this colour."""
    if isinstance(colour, str):
        colour = (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))
    found: NDArray[np.bool_] = (np.array(image) == colour).all(axis=2)
    return int(found.sum())
