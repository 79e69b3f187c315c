"""What the task makes of candidates: marks, means over views, hits, and places in the patient."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.case import NO_PIXELS, Case, Roi
from models.findings import Labels, OperatingPoint
from models.imaging.vessels import Candidate
from models.imaging.vessels.candidates import MOST
from models.metrics import froc
from models.tasks import pulmonary_embolism
from models.tasks.pulmonary_embolism import BESIDE_MM, EVERY, LIKELIEST, SERVED, TASK, WIDTHS_MM
from models.volume import Volume

LABELS = Labels(("other", "embolus"), "embolus")
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
AFFINE[:3, 3] = (-60.0, -50.0, -300.0)


def vessels() -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Two upright tubes of contrast in lung, a dark stretch in the one on the left."""
    z, y, x = np.mgrid[:40, :100, :120].astype(np.float32)
    rng = np.random.default_rng(0)
    hu = np.full(z.shape, -850.0, np.float32)
    hu[(x < 8) | (x > 111) | (y < 8) | (y > 91)] = 40
    for middle in (35.0, 85.0):
        away = np.hypot(x - middle, y - 50)
        hu += np.clip(6 - away, 0, 1) * (350 - hu)
    core = (np.hypot(x - 35, y - 50) < 4.5) & (np.abs(z - 20) <= 5)
    hu[core] = 60
    labels = core.astype(np.uint8)
    return (hu + rng.normal(0, 10, hu.shape)).astype(np.int16), labels


@pytest.fixture(scope="module")
def case() -> Case:
    voxels, things = vessels()
    uids = tuple(f"1.2.3.{k}" for k in range(len(voxels)))
    volume = Volume(voxels, AFFINE, "dicom", "1.2.3", uids)
    return Case("case_000001", "p", NO_PIXELS, volume=volume, things=things, count=1)


@pytest.fixture(scope="module")
def rois(case: Case) -> list[Roi]:
    return list(TASK.rois(case, 48, None))


def outputs(rois: list[Roi], sure: float = 0.9) -> NDArray[np.float32]:
    """`sure` for every view of what lies on the embolus, the rest for all others."""
    found = np.array([sure if roi.truth else 1 - sure for roi in rois], np.float32)
    return np.column_stack([1 - found, found])


def test_the_dark_stretch_is_a_candidate_and_lies_on_its_embolus(rois: list[Roi]) -> None:
    on = {roi.mark[0] for roi in rois if roi.mark[1] == 0}
    assert on
    assert all(roi.truth == 1 for roi in rois if roi.mark[0] in on)
    others = [roi for roi in rois if roi.mark[0] not in on]
    assert all((roi.truth, roi.mark[1]) == (0, froc.NO_LESION) for roi in others)


def test_serving_sees_each_candidate_in_every_width_and_turned(rois: list[Roi]) -> None:
    numbers = [roi.mark[0] for roi in rois]
    assert {numbers.count(number) for number in numbers} == {len(SERVED)}
    assert {width for width, _, _ in SERVED} == set(WIDTHS_MM)
    assert {turn for _, _, turn in SERVED} == {0.0, 90.0}
    assert all(roi.pixels.shape == (48, 48, 3) for roi in rois)
    assert all((roi.pixels[..., 1] == roi.pixels[..., 2]).all() for roi in rois)


def test_training_draws_one_view_of_each_candidate_that_is_taught(
    case: Case, rois: list[Roi]
) -> None:
    drawn = list(TASK.rois(case, 48, np.random.default_rng(0)))
    again = list(TASK.rois(case, 48, np.random.default_rng(1)))
    marks = [rois[k].mark for k in range(0, len(rois), len(SERVED))]
    assert [roi.mark for roi in drawn] == [roi.mark for roi in again]
    assert len({roi.mark for roi in drawn}) == len(drawn)
    assert {roi.mark for roi in drawn} <= set(marks)
    assert {mark for mark in marks if mark[1] == 0} <= {roi.mark for roi in drawn}
    assert [roi.truth for roi in drawn] == [int(roi.mark[1] == 0) for roi in drawn]


def test_beside_an_embolus_and_far_down_the_list_little_is_taught(case: Case) -> None:
    taught, none = pulmonary_embolism._taught, froc.NO_LESION
    assert taught(299, 0, 0.5)
    assert not taught(0, none, BESIDE_MM - 0.1)
    rest = [number for number in range(MOST) if taught(number, none, np.inf)]
    assert rest[:LIKELIEST] == list(range(LIKELIEST))
    assert len(rest) == LIKELIEST + (MOST - LIKELIEST) // EVERY
    volume = case.volume
    assert volume is not None
    at = np.argwhere(case.things == 1).mean(axis=0)
    beyond = Candidate((at[0], at[1] + 40, at[2]), (1.0, 0.0, 0.0), 3.0, 60.0)
    assert pulmonary_embolism._nearest(case, volume, beyond) == (none, np.inf)


def test_a_candidate_is_measured_by_the_mean_over_its_views(case: Case, rois: list[Roi]) -> None:
    found = np.linspace(0.2, 0.5, len(SERVED))
    scores = np.tile(np.column_stack([1 - found, found]), (len(rois) // len(SERVED), 1)).astype(
        np.float32
    )
    measured = TASK.measure(case, rois, scores, LABELS)
    assert measured.truth == 1
    assert measured.marks.shape == (len(rois) // len(SERVED), 7)
    np.testing.assert_allclose(measured.marks[:, 0], 0.35, atol=1e-6)
    assert measured.scores[0] == pytest.approx(0.35)
    np.testing.assert_allclose(
        measured.marks[:, 2:5], [roi.mark[2:5] for roi in rois[:: len(SERVED)]]
    )


def test_scoring_bends_the_mean_into_a_probability(case: Case, rois: list[Roi]) -> None:
    scores = np.tile(np.array([[0.5, 0.5]], np.float32), (len(rois), 1))
    labels = replace(LABELS, scoring=(-np.log(9.0), 1.0, 0.0))  # odds of one to nine
    assert TASK.measure(case, rois, scores, labels).scores[0] == pytest.approx(0.1, abs=1e-6)


def test_calibration_is_fitted_on_candidates_at_their_prevalence(
    case: Case, rois: list[Roi]
) -> None:
    assert TASK.fit is not None
    measured = TASK.measure(case, rois, outputs(rois), LABELS)
    line = TASK.fit([measured] * 20)
    bent = TASK.measure(case, rois, outputs(rois), replace(LABELS, scoring=line))
    assert len(line) == len(TASK.fit([])) == 3
    assert bent.marks[:, 0].mean() == pytest.approx((measured.marks[:, 1] >= 0).mean(), abs=0.1)


def test_an_embolus_is_told_with_its_place_in_the_patient_and_in_the_archive(
    case: Case, rois: list[Roi]
) -> None:
    point = OperatingPoint("fp_per_volume=1", 0.5)
    finding = TASK.decide(case, rois, outputs(rois), LABELS, point)
    assert finding.present
    assert finding.score == pytest.approx(0.9)
    (embolus, *_) = finding.emboli
    z, y, x = embolus.centre_voxel
    assert abs(z - 20) <= 7 and abs(y - 50) <= 5 and abs(x - 35) <= 5
    assert embolus.centre_mm == pytest.approx((x - 60, y - 50, 2 * z - 300), abs=0.02)
    assert embolus.series_instance_uid == "1.2.3"
    assert embolus.sop_instance_uid == f"1.2.3.{round(z)}"
    assert 3 < embolus.diameter_mm < 25


def test_without_a_point_every_candidate_is_told_and_half_decides(
    case: Case, rois: list[Roi]
) -> None:
    finding = TASK.decide(case, rois, outputs(rois, 0.4), LABELS, None)
    assert not finding.present
    assert len(finding.emboli) == len(rois) // len(SERVED)
    scores = [embolus.score for embolus in finding.emboli]
    assert scores == sorted(scores, reverse=True)


def test_a_volume_without_candidates_is_a_volume_without_emboli(case: Case) -> None:
    nothing = np.empty((0, 2), np.float32)
    finding = TASK.decide(case, [], nothing, LABELS, None)
    assert (finding.present, finding.score, finding.emboli) == (False, 0.0, ())
    measured = TASK.measure(case, [], nothing, LABELS)
    assert measured.marks.shape == (0, 7)
    assert (measured.truth, measured.scores.tolist()) == (1, [0.0])


def test_what_nobody_spoke_for_cannot_be_measured(case: Case, rois: list[Roi]) -> None:
    unsaid = replace(case, things=None, count=None)
    with pytest.raises(ValueError, match="no embolus mask"):
        TASK.measure(unsaid, rois, outputs(rois), LABELS)
    assert all(roi.truth is None for roi in TASK.rois(unsaid, 48, None))
