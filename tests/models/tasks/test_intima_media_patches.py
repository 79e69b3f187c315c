"""The paper's way to intima-media lines: patches about pixels, classes of their own."""

from dataclasses import replace

import numpy as np
import pytest

from models.case import UNKNOWN, Case
from models.findings import Labels
from models.imaging.wall.patchwise import CLASSES
from models.tasks.intima_media import EACH, PATCHES, STEP, TASK
from tests.models.imaging.wall.pictures import frame

SIZE = 32
LABELS = Labels(PATCHES.classes)


def case(**more: object) -> Case:
    pixels, lines = frame()
    return replace(Case("case_000001", "s", pixels, lines=lines, spacing_mm=(0.06, 0.06)), **more)


def test_the_way_is_the_task_by_another_recipe() -> None:
    assert TASK.by("patches") is PATCHES and TASK.by("modern") is TASK is TASK.by("paper")
    assert TASK.presets == ("modern", "paper", "patches")
    assert (PATCHES.name, PATCHES.headline) == (TASK.name, TASK.headline)
    assert PATCHES.finding is TASK.finding and not PATCHES.ways


def test_a_draw_of_training_has_as_many_places_of_each_class_in_the_same_order() -> None:
    draws = [list(PATCHES.rois(case(), SIZE, np.random.default_rng(seed))) for seed in (0, 1)]
    for rois in draws:
        assert len(rois) == PATCHES.drawn
        assert [roi.truth for roi in rois] == np.repeat(np.arange(len(CLASSES)), EACH).tolist()
        assert {roi.pixels.shape for roi in rois} == {(SIZE, SIZE, 3)}
    assert [roi.mark for roi in draws[0]] != [roi.mark for roi in draws[1]]
    assert list(PATCHES.rois(case(lines=None), SIZE, np.random.default_rng(0))) == []


def test_a_network_that_is_right_gives_both_lines_between_its_columns_too() -> None:
    one = case()
    rois = list(PATCHES.rois(one, SIZE, None))
    columns = sorted({roi.mark[0] for roi in rois})
    assert set(np.diff(columns)) == {STEP} and len(rois) == 75 * len(columns)
    truth = np.array([roi.truth for roi in rois])
    assert set(truth) == {0, 1, 2, UNKNOWN}  # between a line and what is far from it
    outputs = np.eye(3, dtype=np.float32)[np.where(truth == UNKNOWN, 2, truth)]
    found = PATCHES.decide(one, rois, outputs, LABELS, None)
    assert found.columns.left_out == 0 and found.columns.traced == columns[-1] - columns[0] + 1
    assert found.imt_px.mean == pytest.approx(11, abs=0.6)
    measured = PATCHES.measure(one, rois, outputs, LABELS)
    values = PATCHES.score([measured], LABELS).values
    assert values["agreement"] > 0.9 and values["lumen_intima_px"] < 0.6


def test_what_nobody_traced_is_unknown_and_a_case_to_be_answered_has_no_truth() -> None:
    upper, lower = case().lines
    half = case(lines=(upper[:300], lower[:300]))
    for roi in PATCHES.rois(half, SIZE, None):
        assert roi.truth == UNKNOWN or roi.mark[0] <= upper[299, 0]
    assert {roi.truth for roi in PATCHES.rois(case(lines=None), SIZE, None)} == {None}
    with pytest.raises(ValueError, match="case_000001 has no lines"):
        rois = list(PATCHES.rois(case(lines=None), SIZE, None))
        PATCHES.measure(case(lines=None), rois, np.full((len(rois), 3), 1 / 3, np.float32), LABELS)
