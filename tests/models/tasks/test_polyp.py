"""Polyps: candidates, the verdict on a frame, and what is learnt from masks and from boxes."""

import base64
import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from models.case import UNKNOWN, Box, Case, CaseFiles, Roi
from models.findings import Labels, Measure, OperatingPoint, PolypFinding
from models.imaging.plain import png
from models.metrics import froc
from models.tasks.polyp import TASK

LABELS = Labels(("polyp",), "polyp")
NOTHING = np.zeros((0, 0, 3), np.uint8)
SIZE = 64
HEIGHT, WIDTH = 120, 160
TWO = ((20.0, 30.0, 60.0, 70.0), (100.0, 60.0, 140.0, 100.0))


def discs(*boxes: Box) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for x0, y0, x1, y1 in boxes:
        across, down = (2 * x - x0 - x1) / (x1 - x0), (2 * y - y0 - y1) / (y1 - y0)
        mask[across**2 + down**2 < 1] = 1
    return mask


def frame(*boxes: Box, by_boxes: bool = False) -> Case:
    mask = discs(*boxes)
    pixels = np.repeat((60 + mask * 120)[..., None], 3, axis=2).astype(np.uint8)
    if by_boxes:
        return Case("case_000001", "s", pixels, boxes=boxes)
    return Case("case_000001", "s", pixels, mask=mask)


def seen(*found: tuple[Box, float]) -> np.ndarray:
    """Maps of a network that sees discs with these probabilities, in both views."""
    surface = np.zeros((HEIGHT, WIDTH), np.float32)
    for box, probability in found:
        surface = np.maximum(surface, discs(box) * np.float32(probability))
    small = np.asarray(Image.fromarray(surface).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    view = np.stack([1 - small, small])
    return np.stack([view, view[..., ::-1]])


def rois_of(case: Case) -> list[Roi]:
    return list(TASK.rois(case, SIZE, None))


def decided(
    maps: np.ndarray, point: OperatingPoint | None = None, scoring: Sequence[float] = ()
) -> PolypFinding:
    case = frame()
    labels = Labels(("polyp",), "polyp", scoring=tuple(scoring))
    return TASK.decide(case, rois_of(case), maps, labels, point)


def measured(case: Case, maps: np.ndarray) -> Measure:
    rois = [Roi(NOTHING, roi.box_px, None, roi.mirrored) for roi in rois_of(case)]
    return TASK.measure(case, rois, maps, LABELS)


def test_detections_are_boxes_of_the_input_best_first() -> None:
    finding = decided(seen((TWO[0], 0.7), (TWO[1], 0.9)))
    assert finding.present and finding.score == finding.detections[0].score
    assert [detection.box_px for detection in finding.detections] == [
        pytest.approx(TWO[1], abs=3), pytest.approx(TWO[0], abs=3),
    ]  # fmt: skip
    assert finding.detections[0].area_px == pytest.approx(np.pi * 400, rel=0.1)
    assert finding.detections[0].score == pytest.approx(0.87, abs=0.05)


def test_the_threshold_picks_detections_and_verdict_and_leaves_the_mask_alone() -> None:
    maps = seen((TWO[0], 0.7), (TWO[1], 0.9))
    every = decided(maps)
    one = decided(maps, OperatingPoint("fp_per_image=0.1", 0.8))
    none = decided(maps, OperatingPoint("threshold", 0.99))
    assert [len(finding.detections) for finding in (every, one, none)] == [2, 1, 0]
    assert (one.present, none.present) == (True, False)
    assert one.score == none.score == every.score
    assert one.mask_png_base64 == none.mask_png_base64 == every.mask_png_base64
    with Image.open(io.BytesIO(base64.b64decode(one.mask_png_base64))) as image:
        mask = np.asarray(image)
    assert mask.shape == (HEIGHT, WIDTH) and set(np.unique(mask)) == {0, 1}
    assert (mask == discs(*TWO)).mean() > 0.98


def test_a_detection_at_the_threshold_counts() -> None:
    maps = seen((TWO[0], 0.7))
    score = decided(maps).score
    assert decided(maps, OperatingPoint("threshold", score)).present


def test_without_a_point_all_is_told_and_the_verdict_is_what_is_more_likely() -> None:
    faint = decided(seen((TWO[0], 0.3)))
    assert len(faint.detections) == 1 and not faint.present
    assert decided(seen((TWO[0], 0.3)), OperatingPoint("x", None, reason="few")).detections
    assert decided(seen((TWO[0], 0.8))).present


def test_a_frame_with_nothing_in_it_has_no_finding() -> None:
    for point in (None, OperatingPoint("threshold", 0.0)):
        finding = decided(np.stack([seen()[0]] * 2), point)
        assert (finding.present, finding.score, finding.detections) == (False, 0.0, ())


def test_serving_looks_twice_and_undoes_the_mirror() -> None:
    case = frame(TWO[0])
    first, second = rois_of(case)
    assert (first.mirrored, second.mirrored) == (False, True)
    np.testing.assert_array_equal(first.pixels[:, ::-1], second.pixels)
    one_sided = seen((TWO[0], 0.8))
    one_sided[1] = 0  # the mirrored view sees nothing
    assert decided(one_sided).score == pytest.approx(0.38, abs=0.05)


def test_the_calibration_moves_the_scores() -> None:
    maps = seen((TWO[0], 0.7), (TWO[1], 0.9))
    plain, shifted = decided(maps), decided(maps, scoring=(-2.0, 0.0, 1.0, 0.0, 0.0, 0.0))
    assert shifted.score < plain.score
    assert [d.box_px for d in shifted.detections] == [d.box_px for d in plain.detections]


def test_marks_say_what_each_candidate_hit() -> None:
    third: Box = (70.0, 5.0, 90.0, 25.0)
    found = measured(frame(*TWO), seen((TWO[1], 0.9), (third, 0.6)))
    assert found.truth == 2
    assert found.marks.shape == (2, len(froc.MARKS) + 5)
    score, lesion, iou, of_box = found.marks[0, :4]
    assert (lesion, of_box) == (1, 1)
    assert score == pytest.approx(0.87, abs=0.05) and iou > 0.8
    assert found.marks[1, 1:4].tolist() == [froc.NO_LESION, 0.0, froc.NO_LESION]
    shared, said, meant, best = found.scores
    assert 0 < shared <= meant < said + meant
    assert meant == discs(*TWO).sum()
    assert best == score


def test_a_candidate_on_the_rim_is_no_hit_though_it_overlaps() -> None:
    beside: Box = (45.0, 30.0, 85.0, 70.0)
    found = measured(frame(TWO[0]), seen((beside, 0.9)))
    assert found.marks[0, 1] == froc.NO_LESION
    assert 0.1 < found.marks[0, 2] < 0.5


def test_boxes_are_lesions_too_but_no_pixels_are_counted() -> None:
    found = measured(frame(*TWO, by_boxes=True), seen((TWO[0], 0.9)))
    assert found.truth == 2
    assert found.marks[0, 1] == 0 and found.marks[0, 2] > 0.8
    assert found.scores[:3].tolist() == [0, 0, 0]
    nothing = measured(Case("c", "s", frame().pixels, boxes=()), seen((TWO[0], 0.9)))
    assert nothing.truth == 0 and nothing.marks[0, 1] == froc.NO_LESION


def test_a_frame_of_which_nobody_spoke_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="case_000009"):
        measured(Case("case_000009", "s", frame().pixels), seen())


def test_what_is_measured_is_what_is_answered() -> None:
    rng = np.random.default_rng(0)
    boxes = [((x, y, x + 18.0, y + 18.0), float(rng.uniform(0.1, 1)))
             for x in (5.0, 50.0, 100.0) for y in (10.0, 60.0)]  # fmt: skip
    maps = seen(*boxes)
    finding, found = decided(maps), measured(frame(*TWO), maps)
    assert sorted(d.score for d in finding.detections) == pytest.approx(sorted(found.marks[:, 0]))
    assert finding.score == found.scores[3]


def test_a_case_is_read_from_a_mask_or_from_boxes() -> None:
    members = {"i": png(frame().pixels), "m": png(discs(*TWO))}

    def read(roles: dict[str, str], facts: dict[str, object]) -> Case:
        return TASK.read(CaseFiles("c", "s", roles, members.__getitem__, facts=facts))

    by_mask = read({"image": "i", "mask": "m"}, {"boxes": [[0, 0, 9, 9]]})
    assert by_mask.mask is not None and by_mask.boxes is None
    by_boxes = read({"image": "i"}, {"boxes": [[1, 2, 3, 4.5]]})
    assert by_boxes.boxes == ((1.0, 2.0, 3.0, 4.5),) and by_boxes.mask is None
    assert read({"image": "i"}, {"boxes": []}).boxes == ()
    assert read({"image": "i"}, {}).boxes is None


def test_training_from_boxes_leaves_the_rim_open() -> None:
    case = frame(*TWO, by_boxes=True)
    first, _ = rois_of(case)
    assert first.mask is not None
    assert set(np.unique(first.mask)) == {0, 1, UNKNOWN}
    truth = np.asarray(Image.fromarray(discs(*TWO)).resize((SIZE, SIZE), Image.Resampling.NEAREST))
    assert (truth[first.mask == 1] == 1).all()
    assert (truth[first.mask == 0] == 0).all()
    (view,) = TASK.rois(case, SIZE, np.random.default_rng(0))
    assert view.mask is not None and 1 in view.mask


def test_a_frame_without_a_polyp_teaches_background() -> None:
    (view,) = TASK.rois(Case("c", "s", frame().pixels, boxes=()), SIZE, np.random.default_rng(0))
    assert view.mask is not None
    assert set(np.unique(view.mask)) <= {0, UNKNOWN} and (view.mask == 0).any()
    (unsaid,) = TASK.rois(Case("c", "s", frame().pixels), SIZE, np.random.default_rng(1))
    assert unsaid.mask is not None and 1 not in unsaid.mask


def test_whatever_number_a_mask_gives_a_polyp_it_is_one() -> None:
    case = frame(*TWO)
    assert case.mask is not None
    numbered = Case("c", "s", case.pixels, mask=(case.mask * 38).astype(np.uint8))
    first, _ = rois_of(numbered)
    assert first.mask is not None and set(np.unique(first.mask)) == {0, 1}
    found = measured(numbered, seen((TWO[0], 0.9)))
    assert found.truth == 2 and found.scores[0] > 0


def test_scores_fitted_on_validation_are_frequencies_of_frames_with_a_polyp() -> None:
    """A network that is too sure: half of what it sees at 0.9 is nothing. After the fit a frame's
    score says how often such a frame has a polyp, on frames that the fit has not seen.
    """
    rng = np.random.default_rng(0)
    measures, truth = [], []
    for _ in range(240):
        probability = float(rng.uniform(0.3, 0.98))
        there = bool(rng.uniform() < probability**3)
        case = frame(TWO[0]) if there else frame()
        measures.append((case, seen((TWO[0], probability))))
        truth.append(there)
    assert TASK.fit is not None
    scoring = TASK.fit([measured(case, maps) for case, maps in measures[:120]])
    score = np.array([decided(maps, scoring=scoring).score for _, maps in measures[120:]])
    raw = np.array([decided(maps).score for _, maps in measures[120:]])
    known = np.array(truth[120:], dtype=float)
    assert abs(raw.mean() - known.mean()) > 0.2
    assert score.mean() == pytest.approx(known.mean(), abs=0.1)
    for part in np.array_split(np.argsort(score), 4):
        assert score[part].mean() == pytest.approx(known[part].mean(), abs=0.2)
    assert ((score - known) ** 2).mean() < ((raw - known) ** 2).mean()
