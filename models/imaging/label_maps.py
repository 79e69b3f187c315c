"""What a map network puts out, laid over the case again: pooled views, label maps, PNG masks."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import Case, Mask, Roi

Map = NDArray[np.float32]  # [y, x], a probability
Maps = NDArray[np.float32]  # [1 + classes, size, size], background first

# No filter: few values in large areas are packed best and fastest as they are.
PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]


def read(data: bytes) -> Mask:
    """The label map of a pack's mask: one-channel 8-bit PNG, values as they were uploaded."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.ndim != 2 or found.dtype != np.uint8:
        raise ValueError("a pack's mask is a one-channel 8-bit PNG; this is none")
    return np.asarray(found, dtype=np.uint8)


def shape_of(case: Case, rois: Sequence[Roi]) -> tuple[int, int]:
    """Height and width of the case, also of one whose pixels are not at hand: a serving patch of
    a map task shows the whole of it.
    """
    _, _, x1, y1 = rois[0].box_px
    return case.mask.shape if case.mask is not None else (round(y1), round(x1))


def pooled(rois: Sequence[Roi], outputs: NDArray[np.float32]) -> Maps:
    """The mean over the views of one case, each mirrored one turned back first."""
    views = [
        view[..., ::-1] if roi.mirrored else view for roi, view in zip(rois, outputs, strict=True)
    ]
    return np.asarray(np.mean(views, axis=0), dtype=np.float32)


def resized(probability: Map, shape: tuple[int, int]) -> Map:
    """A square map squeezed back to the case's shape, bilinear."""
    height, width = shape
    how = cv2.INTER_LINEAR
    view = np.ascontiguousarray(probability)
    return np.asarray(cv2.resize(view, (width, height), interpolation=how), dtype=np.float32)


def labelled(probabilities: Maps, shape: tuple[int, int]) -> tuple[Mask, Map]:
    """The most probable class of every pixel of the case, and how probable; ties to the lower.

    Bilinear on probabilities, then the largest, one class at a time: memory does not grow with
    the number of classes.
    """
    best = resized(probabilities[0], shape)
    mask = np.zeros(shape, dtype=np.uint8)
    for k, probability in enumerate(probabilities[1:], start=1):
        found = resized(probability, shape)
        mask[found > best] = k
        np.maximum(best, found, out=best)
    return mask, best


def png_base64(mask: Mask) -> str:
    """One-channel 8-bit PNG of a label map, a pixel is a class index, as base64 text."""
    done, coded = cv2.imencode(".png", mask, PNG)
    if not done:
        raise ValueError(f"no PNG of a mask of shape {mask.shape}")
    return base64.b64encode(coded.tobytes()).decode("ascii")
