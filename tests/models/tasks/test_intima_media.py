"""Intima-media: from a frame to two lines and their thickness, and nothing that is not seen."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.case import Case, CaseFiles, Roi
from models.findings import Labels
from models.tasks.intima_media import DRAWS, TASK
from tests.models.imaging.wall.pictures import frame

SIZE = 224
LABELS = Labels(TASK.classes)


def case(**more: object) -> Case:
    pixels, lines = frame()
    known = Case(
        "case_000001", "s", pixels, lines=lines, spacing_mm=(0.06, 0.06), spacing_source="cubs"
    )
    return replace(known, **more)


def sure(rois: Sequence[Roi]) -> np.ndarray:
    """What a network puts out that knows what is true."""
    return np.array([[roi.mask == k for k in range(4)] for roi in rois], np.float32)


def test_a_network_that_is_right_gives_both_lines_in_every_column() -> None:
    one = case()
    rois = list(TASK.rois(one, SIZE, None))
    found = TASK.decide(one, rois, sure(rois), LABELS, None)
    assert one.lines is not None and (found.columns.traced, found.columns.left_out) == (640, 0)
    for line, true in zip((found.lumen_intima, found.media_adventitia), one.lines, strict=True):
        assert [x for x, _ in line] == list(range(640))
        assert np.abs(np.array(line)[:, 1] - true[:, 1]).mean() < 0.15
    assert found.imt_px.mean == pytest.approx(11, abs=0.1)
    assert found.imt_mm.mean == pytest.approx(0.66, abs=0.006)
    assert found.imt_mm.max >= found.imt_mm.mean
    assert (found.spacing_mm, found.spacing_source) == (0.06, "cubs")


def test_without_a_spacing_thickness_is_in_pixels_alone() -> None:
    one = case(spacing_mm=None, spacing_source=None)
    rois = list(TASK.rois(one, SIZE, None))
    found = TASK.decide(one, rois, sure(rois), LABELS, None)
    assert found.imt_mm is None and found.spacing_mm is None and found.spacing_source is None
    assert found.imt_px.mean == pytest.approx(11, abs=0.1)


def test_pixels_that_are_not_square_have_two_numbers_and_thickness_is_by_the_row() -> None:
    one = case(spacing_mm=(0.05, 0.08))
    rois = list(TASK.rois(one, SIZE, None))
    found = TASK.decide(one, rois, sure(rois), LABELS, None)
    assert found.spacing_mm == (0.05, 0.08)
    # Level lines and a map of whole pixels that are 1.2 of the image's.
    assert found.imt_mm.mean == pytest.approx(0.55, abs=0.02)


def test_only_the_columns_of_a_region_are_traced_and_the_region_is_told_as_it_was_asked() -> None:
    region = (120.0, 250.0, 260.0, 350.0)
    one = case(roi_px=region)
    rois = list(TASK.rois(one, SIZE, None))
    found = TASK.decide(one, rois, sure(rois), LABELS, None)
    assert [x for x, _ in found.lumen_intima] == list(range(120, 260))
    assert found.roi_px == region
    assert found.columns.traced + found.columns.left_out == 140


def test_where_the_network_sees_nothing_there_are_no_lines_and_all_columns_are_left_out() -> None:
    one = case()
    rois = list(TASK.rois(one, SIZE, None))
    nothing = np.zeros((len(rois), 4, SIZE, SIZE), np.float32)
    nothing[:, 0] = 1
    found = TASK.decide(one, rois, nothing, LABELS, None)
    assert found.lumen_intima == found.media_adventitia == ()
    assert found.imt_px is None and found.imt_mm is None and found.roi_px is None
    assert (found.columns.traced, found.columns.left_out) == (0, 640)


def test_of_two_walls_that_look_alike_the_network_says_which() -> None:
    """Two arteries, one above the other: the lines are of the upper one, the map knows it."""
    pixels, lines = frame(height=700, far=250)
    below, _ = frame(height=700, far=520)
    pixels[380:] = below[380:]
    one = case(pixels=pixels, lines=lines)
    rois = list(TASK.rois(one, SIZE, None))
    tops = {roi.box_px[1] for roi in rois}
    assert min(tops) < 250 - 50 and max(tops) > 380
    found = TASK.decide(one, rois, sure(rois), LABELS, None)
    assert np.array(found.lumen_intima)[:, 1] == pytest.approx(249.5, abs=1)
    assert TASK.measure(one, rois, sure(rois), LABELS).scores[2] > 0.98


def test_a_frame_without_a_wall_is_looked_at_all_the_same() -> None:
    blank = Case("case_000001", "s", np.zeros((300, 400, 3), np.uint8))
    assert len(list(TASK.rois(blank, SIZE, None))) == 1


def test_lines_and_readers_come_from_the_pack() -> None:
    pixels, _ = frame()
    png = cv2.imencode(".png", pixels)[1].tobytes()
    lines = {"lumen_intima": [[0, 10.5], [9, 11]], "media_adventitia": [[0, 20], [9, 21]]}
    facts = {"lines": lines, "readers": {"A1": lines, "A2": lines}, "spacing_source": "cubs"}
    files = CaseFiles(
        "case_000001", "s", {"image": "images/1.png"}, lambda _: png,
        spacing_mm=(0.06, 0.06), facts=facts,
    )  # fmt: skip
    found = TASK.read(files)
    assert found.lines is not None and sorted(found.readers) == ["A1", "A2"]
    np.testing.assert_array_equal(found.lines[0], [[0, 10.5], [9, 11]])
    np.testing.assert_array_equal(found.pixels, pixels)
    assert (found.spacing_mm, found.spacing_source) == ((0.06, 0.06), "cubs")
    assert TASK.read(replace(files, facts={})).lines is None


def test_a_case_without_lines_is_answered_and_cannot_be_measured() -> None:
    one = case(lines=None)
    rois = list(TASK.rois(one, SIZE, None))
    outputs = np.full((len(rois), 4, SIZE, SIZE), 0.25, np.float32)
    assert TASK.decide(one, rois, outputs, LABELS, None).columns.traced == 0
    with pytest.raises(ValueError, match="case_000001 has no lines"):
        TASK.measure(one, rois, outputs, LABELS)


def test_training_draws_several_patches_of_a_frame_and_no_more_than_the_task_says() -> None:
    drawn = list(TASK.rois(case(), 64, np.random.default_rng(0)))
    assert len(drawn) == DRAWS == TASK.drawn
    assert len({roi.pixels.tobytes() for roi in drawn}) == DRAWS


def test_lines_have_no_operating_points() -> None:
    assert TASK.operate([], LABELS, TASK.points) == []
