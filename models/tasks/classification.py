"""Classification: which of the data set's own classes is this image? One patch: the whole image."""

from collections.abc import Iterator

import cv2
import numpy as np

from models.case import Case, CaseFiles, Pixels, Roi
from models.findings import ClassFinding
from models.imaging import frames, lesion_phantom
from models.metrics import classes
from models.metrics.operating import operating_points
from models.task import Phantom, Task

TURN_DEG = 10.0
CROP_SIDE = (0.8, 1.0)  # of the image's own side
BRIGHTNESS = 20.0  # grey levels
CONTRAST = (0.85, 1.15)


def read(files: CaseFiles) -> Case:
    pixels, _ = frames.decode(files.open(files.roles["image"]))
    return Case(files.case_id, files.subject, pixels, files.label, spacing_mm=files.spacing_mm)


def rois(case: Case, size: int, rng: np.random.Generator | None) -> Iterator[Roi]:
    """Serving: the whole image, squeezed to a square. Training: one mild random view of it."""
    height, width = case.pixels.shape[:2]
    if rng is None:
        squeezed = cv2.resize(case.pixels, (size, size), interpolation=_filter(height, width, size))
        yield Roi(_rgb(squeezed), (0.0, 0.0, float(width), float(height)))
        return
    yield _drawn(case.pixels, size, rng)


def _drawn(pixels: Pixels, size: int, rng: np.random.Generator) -> Roi:
    """Crop, mirror, turn, brightness, contrast: what another operator might have recorded.

    Never upside down: in ultrasound the shadow lies below the lesion.
    """
    height, width = pixels.shape[:2]
    share = rng.uniform(*CROP_SIDE, size=2)  # of height, width
    y0, x0 = rng.uniform(0.0, 1.0 - share) * (height, width)
    box = (float(x0), float(y0), float(x0 + share[1] * width), float(y0 + share[0] * height))
    view = _warped(pixels, size, box, float(rng.uniform(-TURN_DEG, TURN_DEG)))
    if rng.random() < 0.5:
        view = np.ascontiguousarray(view[:, ::-1])
    contrast, brightness = rng.uniform(*CONTRAST), rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    offset = 127.5 * (1 - contrast) + brightness
    table = np.clip(np.arange(256) * contrast + offset, 0, 255).round().astype(np.uint8)
    return Roi(_rgb(table[view]), box)


def _warped(
    pixels: Pixels, size: int, box: tuple[float, float, float, float], turn_deg: float
) -> Pixels:
    """The box, turned about its centre, as a square; shrunk first so that nothing aliases."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, size / min(box[2] - box[0], box[3] - box[1]))
    if shrink < 1.0:
        whole = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        pixels = _rgb(cv2.resize(pixels, whole, interpolation=cv2.INTER_AREA))
    scale_x, scale_y = pixels.shape[1] / width, pixels.shape[0] / height
    centre = np.array([(box[0] + box[2]) / 2 * scale_x, (box[1] + box[3]) / 2 * scale_y])
    half = np.array([(box[2] - box[0]) / 2 * scale_x, (box[3] - box[1]) / 2 * scale_y])
    cos, sin = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    turned = np.array([[cos, -sin], [sin, cos]]) * half / (size / 2)  # patch -> image
    middle = (size - 1) / 2
    offset = centre - 0.5 - turned @ np.array([middle, middle])
    matrix = np.column_stack([turned, offset])
    view = cv2.warpAffine(
        pixels, matrix, (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    return _rgb(view)


def _filter(height: int, width: int, size: int) -> int:
    return cv2.INTER_AREA if min(height, width) >= size else cv2.INTER_LINEAR


def _rgb(pixels: object) -> Pixels:
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def phantom(rng: np.random.Generator, index: int) -> Phantom:
    """A patient with one lesion of the class `index` modulo three, seen in two planes."""
    return lesion_phantom.patient(rng, index)


TASK = Task(
    name="classification",
    question="Which of the data set's classes does this image show?",
    output="classes",
    classes=(),
    positive=None,
    headline="auc",
    points=("fpr=0.10", "sensitivity=0.95", "youden"),
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
)
