"""Segmentation: which pixels show which of the data set's classes? One view: the whole image."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.case import UNKNOWN, Case, CaseFiles, Roi
from models.findings import Area, Labels, Measure, OperatingPoint, SegmentationFinding
from models.imaging import frames, label_maps, tissue_phantom
from models.imaging.looks import Look
from models.imaging.views import Motion, squeezed, view
from models.metrics import operating, overlap
from models.task import Phantom, Task

# Mild: in ultrasound the shadow lies below, and other images may have an up of their own.
MOTION = Motion(zoom=(0.8, 1.4), aspect=1.2, turn_deg=12.0)
LOOK = Look(brightness=20.0, contrast=1.25, gamma=1.3, blur=0.15, soft=0.15, noise=0.2)


def read(files: CaseFiles) -> Case:
    """Pixels, and the mask with the values that were uploaded."""
    pixels, _ = frames.decode(files.open(files.roles["image"]))
    member = files.roles.get("mask")
    mask = None if member is None else label_maps.read(files.open(member))
    return Case(files.case_id, files.subject, pixels, mask=mask, spacing_mm=files.spacing_mm)


def rois(case: Case, size: int, rng: np.random.Generator | None) -> Iterator[Roi]:
    """Serving: the whole image, squeezed to a square. Training: one mild random view of it."""
    if rng is None:
        yield squeezed(case.pixels, case.mask, size)
        return
    mask = np.full(case.pixels.shape[:2], UNKNOWN, np.uint8) if case.mask is None else case.mask
    yield view(case.pixels, mask, size, MOTION, LOOK, rng)


def decide(
    case: Case,
    rois: Sequence[Roi],
    outputs: NDArray[np.float32],
    labels: Labels,
    point: OperatingPoint | None,  # noqa: ARG001 - the most probable class wins, whatever the point
) -> SegmentationFinding:
    """The label map at the image's own size, and the area and certainty of every class."""
    probabilities = label_maps.pooled(rois, outputs)
    mask, best = label_maps.labelled(probabilities, label_maps.shape_of(case, rois))
    size = len(labels.names) + 1
    pixels = np.bincount(mask.ravel(), minlength=size)[1:]
    certain = np.bincount(mask.ravel(), weights=best.ravel(), minlength=size)[1:]
    mm2 = None if case.spacing_mm is None else case.spacing_mm[0] * case.spacing_mm[1]
    areas = {
        name: Area(
            area_px=int(count),
            area_mm2=None if mm2 is None else float(count * mm2),
            score=float(total / count) if count else 0.0,
        )
        for name, count, total in zip(labels.names, pixels, certain, strict=True)
    }
    return SegmentationFinding(label_maps.png_base64(mask), areas)


def measure(
    case: Case, rois: Sequence[Roi], outputs: NDArray[np.float32], labels: Labels
) -> Measure:
    """Pixel counts at the case's own size (see models.metrics.overlap).

    Raises ValueError for a case without a mask.
    """
    if case.mask is None:
        raise ValueError(f"case {case.case_id} has no mask; only cases with one can be measured")
    mask, _ = label_maps.labelled(label_maps.pooled(rois, outputs), case.mask.shape)
    counts = overlap.counts(mask, case.mask, len(labels.names))
    present = int(np.count_nonzero(counts[:, 2]))
    return Measure(case.case_id, case.subject, present, counts.ravel())


def phantom(rng: np.random.Generator, index: int) -> Phantom:
    """A patient: vessels and a nerve in speckle, three views of them with their label maps."""
    return tissue_phantom.patient(rng, index)


TASK = Task(
    name="segmentation",
    question="Which pixels show which of the data set's classes?",
    output="map",
    classes=(),
    positive=None,
    headline="dice",
    points=(),
    layouts=("metadata_csv", "image_mask_pairs", "coco"),
    finding=SegmentationFinding,
    read=read,
    rois=rois,
    decide=decide,
    measure=measure,
    score=overlap.score,
    rows=overlap.rows,
    operate=operating.no_points,
    phantom=phantom,
    weighted=overlap.values,
)
