"""Polyp: is there a polyp in this colonoscopy frame, and where? Two views: it and its mirror."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.case import UNKNOWN, Box, Case, CaseFiles, Mask, Roi
from models.findings import Detection, Labels, Measure, OperatingPoint, PolypFinding
from models.imaging import candidates, frames, label_maps, lesions, polyp_phantom
from models.imaging.looks import Look
from models.imaging.views import Motion, mirrored, squeezed, view
from models.metrics import froc, froc_points, overlap
from models.task import Phantom, Task

EVEN = 0.5  # without an operating point a polyp is there if that is more likely than not
# Strong: the next hospital's frames differ in colour, light, sharpness and size of the polyp.
MOTION = Motion(zoom=(0.7, 1.6), aspect=1.25, turn_deg=20.0, dihedral=True)
LOOK = Look(
    brightness=25.0, contrast=1.3, gamma=1.4, saturation=1.5, gain=1.2, hue_deg=12.0,
    blur=0.2, soft=0.2, noise=0.2, jpeg=0.15, endoscope=0.12,
)  # fmt: skip


def read(files: CaseFiles) -> Case:
    """Pixels, and the truth: a mask, or boxes where they are all there is."""
    pixels, _ = frames.decode(files.open(files.roles["image"]))
    member = files.roles.get("mask")
    mask = None if member is None else label_maps.read(files.open(member))
    boxes = None if mask is not None else _boxes(files.facts)
    return Case(files.case_id, files.subject, pixels, mask=mask, boxes=boxes)


def _boxes(facts: Mapping[str, Any]) -> tuple[Box, ...] | None:
    found = facts.get("boxes")
    if found is None:
        return None
    return tuple((float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in found)


def rois(case: Case, size: int, rng: np.random.Generator | None) -> Iterator[Roi]:
    """Serving: the whole frame squeezed to a square, then its mirror image. Training: one view."""
    mask = _mask(case)
    if rng is None:
        whole = squeezed(case.pixels, mask, size)
        yield from (whole, mirrored(whole))
        return
    if mask is None:
        mask = np.full(case.pixels.shape[:2], UNKNOWN, np.uint8)
    yield view(case.pixels, mask, size, MOTION, LOOK, rng)


def _mask(case: Case) -> Mask | None:
    """Where the polyp is for sure, where for sure not, and where nobody said."""
    if case.mask is None:
        return None if case.boxes is None else lesions.drawn(case.boxes, case.pixels.shape[:2])
    return np.where((case.mask > 0) & (case.mask != UNKNOWN), 1, case.mask).astype(np.uint8)


def decide(
    case: Case,
    rois: Sequence[Roi],
    outputs: NDArray[np.float32],
    labels: Labels,
    point: OperatingPoint | None,
) -> PolypFinding:
    """The candidates at or above the point's threshold, best first, and the verdict.

    Without a point every candidate is told, and the verdict is what is more likely than not.
    """
    shape = label_maps.shape_of(case, rois)
    probabilities = label_maps.pooled(rois, outputs)
    found = candidates.find(probabilities[1], shape)
    scores = candidates.scores(found, labels.scoring)
    threshold = None if point is None else point.threshold
    verdict = EVEN if threshold is None else threshold
    best = float(scores.max(initial=0.0))
    detections = [
        Detection(candidate.box, float(score), candidate.area_px)
        for candidate, score in zip(found, scores, strict=True)
        if threshold is None or score >= threshold
    ]
    detections.sort(key=lambda detection: -detection.score)
    mask, _ = label_maps.labelled(probabilities, shape)
    return PolypFinding(
        present=bool(detections) and best >= verdict,
        score=best,
        detections=tuple(detections),
        mask_png_base64=label_maps.png_base64(mask),
    )


def measure(
    case: Case, rois: Sequence[Roi], outputs: NDArray[np.float32], labels: Labels
) -> Measure:
    """A row for each candidate and the frame's own numbers (see models.metrics.froc).

    marks [n, 4 + features]: froc.MARKS, then candidates.FEATURES. Raises ValueError for a frame
    of which nobody said what it shows.
    """
    if case.mask is None and case.boxes is None:
        raise ValueError(f"case {case.case_id} has neither mask nor boxes; it cannot be measured")
    shape = label_maps.shape_of(case, rois)
    probabilities = label_maps.pooled(rois, outputs)
    truth = lesions.of_boxes(case.boxes or ()) if case.mask is None else lesions.of_mask(case.mask)
    found = candidates.find(probabilities[1], shape)
    scores = candidates.scores(found, labels.scoring)
    marks = [
        (score, truth.at(*candidate.centroid), *truth.overlapping(candidate.box),
         *candidate.features)
        for candidate, score in zip(found, scores, strict=True)
    ]  # fmt: skip
    pixels = np.zeros(overlap.COUNTS)
    if case.mask is not None:
        predicted, _ = label_maps.labelled(probabilities, shape)
        pixels = overlap.counts(predicted, np.asarray(_mask(case)), 1)[0]
    columns = len(froc.MARKS) + len(candidates.FEATURES)
    return Measure(
        case.case_id, case.subject, len(truth),
        np.append(pixels, scores.max(initial=0.0)),
        np.array(marks, dtype=np.float64).reshape(len(marks), columns),
    )  # fmt: skip


def fit(measures: Sequence[Measure]) -> tuple[float, ...]:
    """The calibration of candidates: their features against what they turned out to be."""
    features, hit = froc.outcomes(measures)
    return candidates.fit(features, hit)


def phantom(rng: np.random.Generator, index: int) -> Phantom:
    """A patient: six frames of one video with their masks; every fifth patient has no polyp."""
    return polyp_phantom.patient(rng, index)


TASK = Task(
    name="polyp",
    question="Is there a polyp in this colonoscopy frame, and where?",
    output="map",
    classes=("polyp",),
    positive="polyp",
    headline="froc",
    points=("fp_per_image=0.1", "fp_per_image=1", "fp_per_image=0.01", "fp_per_image=0.001"),
    layouts=("metadata_csv", "image_mask_pairs", "coco", "yolo"),
    finding=PolypFinding,
    read=read,
    rois=rois,
    decide=decide,
    measure=measure,
    score=froc.score,
    rows=froc.rows,
    operate=froc_points.operating_points,
    phantom=phantom,
    weighted=froc.values,
    fit=fit,
    video=True,
)
