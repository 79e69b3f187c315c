"""Label maps of the data set's own classes."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from models.case import UNKNOWN, Case, CaseFiles, Roi
from models.findings import Labels
from models.imaging.plain import png
from models.tasks.segmentation import TASK

LABELS = Labels(("nerve", "vessel"))
NOTHING = np.zeros((0, 0, 3), np.uint8)
SIZE = 64


def limb(spacing_mm: tuple[float, float] | None = None) -> Case:
    mask = np.zeros((120, 160), np.uint8)
    mask[30:70, 20:60], mask[40:90, 90:140] = 1, 2
    pixels = np.repeat((mask * 100)[..., None], 3, axis=2)
    return Case("case_000001", "s", pixels, mask=mask, spacing_mm=spacing_mm)


def outputs(case: Case, certainty: float = 1.0) -> np.ndarray:
    """Maps of a network that knows the truth and says it with that certainty."""
    (roi,) = TASK.rois(case, SIZE, None)
    truth = np.stack([roi.mask == k for k in range(3)]).astype(np.float32)
    return (truth * (certainty - (1 - certainty) / 2) + (1 - certainty) / 2)[None]


def decided(case: Case, maps: np.ndarray) -> tuple[np.ndarray, dict[str, object]]:
    rois = list(TASK.rois(case, SIZE, None))
    finding = TASK.decide(case, rois, maps, LABELS, None)
    with Image.open(io.BytesIO(base64.b64decode(finding.mask_png_base64))) as image:
        return np.asarray(image), finding.classes


def test_a_case_is_read_with_the_values_that_were_uploaded() -> None:
    mask = np.tile(np.array([[0, 38], [75, 0]], np.uint8), (5, 5))
    members = {"i": png(np.zeros((10, 10, 3), np.uint8)), "m": png(mask)}
    files = CaseFiles("c", "s", {"image": "i", "mask": "m"}, members.__getitem__, spacing_mm=(1, 2))
    case = TASK.read(files)
    assert case.mask is not None
    np.testing.assert_array_equal(case.mask, mask)
    assert case.spacing_mm == (1, 2)
    unlabelled = CaseFiles("c", "s", {"image": "i"}, members.__getitem__)
    assert TASK.read(unlabelled).mask is None


def test_the_finding_is_a_map_of_the_inputs_size_with_areas() -> None:
    case = limb()
    mask, classes = decided(case, outputs(case))
    assert mask.shape == (120, 160)
    assert case.mask is not None
    assert (mask == case.mask).mean() > 0.98
    assert list(classes) == ["nerve", "vessel"]
    for k, area in enumerate(classes.values(), start=1):
        assert area.area_px == (mask == k).sum() == pytest.approx((case.mask == k).sum(), rel=0.05)
        assert area.area_mm2 is None
        assert area.score > 0.95


def test_areas_are_in_mm2_where_the_spacing_is_known_row_by_column() -> None:
    case = limb(spacing_mm=(0.2, 0.1))
    mask, classes = decided(case, outputs(case))
    assert classes["nerve"].area_mm2 == pytest.approx((mask == 1).sum() * 0.02)


def test_the_score_is_the_mean_probability_over_the_area() -> None:
    case = limb()
    _, classes = decided(case, outputs(case, certainty=0.7))
    assert classes["vessel"].score == pytest.approx(0.7, abs=0.03)
    _, classes = decided(case, np.stack([np.eye(3, dtype=np.float32)[0]] * 1)[..., None, None]
                         * np.ones((1, 1, SIZE, SIZE), np.float32))  # fmt: skip
    assert (classes["nerve"].area_px, classes["nerve"].score) == (0, 0.0)


def test_what_is_measured_is_what_is_answered() -> None:
    case = limb()
    rng = np.random.default_rng(0)
    maps = rng.dirichlet((1, 1, 1), (1, SIZE, SIZE)).transpose(0, 3, 1, 2).astype(np.float32)
    answered, classes = decided(case, maps)
    rois = [Roi(NOTHING, roi.box_px) for roi in TASK.rois(case, SIZE, None)]  # as tuning has them
    found = TASK.measure(case, rois, maps, LABELS).scores.reshape(2, 3)
    assert case.mask is not None
    for k, (shared, said, meant) in enumerate(found.tolist(), start=1):
        assert said == (answered == k).sum() == list(classes.values())[k - 1].area_px
        assert meant == (case.mask == k).sum()
        assert shared == ((answered == k) & (case.mask == k)).sum()


def test_truth_is_the_number_of_classes_that_are_there() -> None:
    case = limb()
    assert case.mask is not None
    rois = list(TASK.rois(case, SIZE, None))
    assert TASK.measure(case, rois, outputs(case), LABELS).truth == 2
    only = Case("c", "s", case.pixels, mask=np.where(case.mask == 2, 0, case.mask).astype(np.uint8))
    assert TASK.measure(only, rois, outputs(case), LABELS).truth == 1


def test_a_case_without_a_mask_cannot_be_measured() -> None:
    case = Case("case_000009", "s", limb().pixels)
    with pytest.raises(ValueError, match="case_000009"):
        TASK.measure(case, list(TASK.rois(case, SIZE, None)), outputs(limb()), LABELS)


def test_training_without_a_mask_learns_nothing() -> None:
    case = Case("c", "s", limb().pixels)
    (roi,) = TASK.rois(case, SIZE, np.random.default_rng(0))
    assert roi.mask is not None and (roi.mask == UNKNOWN).all()
    (serving,) = TASK.rois(case, SIZE, None)
    assert serving.mask is None


def test_no_point_is_asked_for_and_none_is_found() -> None:
    case = limb()
    measures = [TASK.measure(case, list(TASK.rois(case, SIZE, None)), outputs(case), LABELS)]
    assert TASK.points == () and TASK.operate(measures, LABELS, ()) == []
