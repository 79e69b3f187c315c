"""Frame quality: can this colonoscopy frame be read? The mean over its crops (paper 1.4)."""

import math
from collections.abc import Iterator

import cv2
import numpy as np

from models.case import Case, CaseFiles, Pixels, Roi
from models.findings import ClassFinding
from models.imaging import colon_phantom, frames
from models.metrics import classes
from models.metrics.operating import operating_points
from models.task import Phantom, Task

# The paper cuts 227 px crops from 500 x 350 frames; a frame of another size is seen at that scale.
CROP_OF_HEIGHT = 227 / 350
GRID_MAX = 8  # crops along a side, for panoramas


def read(files: CaseFiles) -> Case:
    pixels, _ = frames.decode(files.open(files.roles["image"]))
    return Case(files.case_id, files.subject, pixels, files.label, spacing_mm=files.spacing_mm)


def rois(case: Case, size: int, rng: np.random.Generator | None) -> Iterator[Roi]:
    """Serving: the fewest crops, evenly spread, that cover the frame. Training: one at random.

    A random crop is also mirrored at random both ways, as an endoscope has no up and no left.
    """
    height, width = case.pixels.shape[:2]
    side = max(1, round(CROP_OF_HEIGHT * min(height, width)))
    if rng is not None:
        y0 = int(rng.integers(0, height - side + 1))
        x0 = int(rng.integers(0, width - side + 1))
        roi = _crop(case.pixels, x0, y0, side, size)
        step_y, step_x = (int(step) for step in rng.choice([-1, 1], size=2))
        yield Roi(np.ascontiguousarray(roi.pixels[::step_y, ::step_x]), roi.box_px)
        return
    for y0 in _starts(height, side):
        for x0 in _starts(width, side):
            yield _crop(case.pixels, x0, y0, side, size)


def _starts(length: int, side: int) -> list[int]:
    count = min(math.ceil(length / side), GRID_MAX)
    return [round(k * (length - side) / max(count - 1, 1)) for k in range(count)]


def _crop(pixels: Pixels, x0: int, y0: int, side: int, size: int) -> Roi:
    cut = pixels[y0 : y0 + side, x0 : x0 + side]
    how = cv2.INTER_AREA if side >= size else cv2.INTER_LINEAR
    patch = np.ascontiguousarray(cv2.resize(cut, (size, size), interpolation=how), dtype=np.uint8)
    return Roi(patch, (float(x0), float(y0), float(x0 + side), float(y0 + side)))


def phantom(rng: np.random.Generator, index: int) -> Phantom:
    """A video: frames of one synthetic colon, half of them readable."""
    return colon_phantom.video(rng, index)


TASK = Task(
    name="frame_quality",
    question="Can this colonoscopy frame be read?",
    output="classes",
    classes=("informative", "non_informative"),
    positive="informative",
    headline="auc",
    points=("fpr=0.10", "fpr=0.15", "fpr=0.20"),
    layouts=("metadata_csv", "class_folders"),
    finding=ClassFinding,
    read=read,
    rois=rois,
    decide=classes.decide,
    measure=classes.measure,
    score=classes.score,
    rows=classes.rows,
    operate=operating_points,
    phantom=phantom,
    weighted=classes.values,
    video=True,
)
