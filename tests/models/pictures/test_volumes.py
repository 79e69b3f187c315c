"""A volume's case with its truth drawn in: which slice, which emboli, or nobody said."""

from dataclasses import replace

import numpy as np
import pytest

from models.case import NO_PIXELS, Case
from models.findings import Labels
from models.pictures import SliceError, volume_preview
from models.pictures.marks import MASK_COLOURS
from tests.models.pictures.chests import chest, lying
from tests.models.pictures.drawn import count, opened

LABELS = Labels(("other", "embolus"), "embolus")
VOLUME, THINGS = chest()
CASE = Case("case_000001", "secret", NO_PIXELS, volume=VOLUME, things=THINGS, count=2)


def most(things: np.ndarray) -> int:
    return int((things > 0).sum(axis=(1, 2)).argmax())


def test_the_slice_with_most_of_the_truth_is_shown_unless_another_is_asked_for(
    written: list[str],
) -> None:
    for volume, things in (chest(), lying()):
        volume_preview(replace(CASE, volume=volume, things=things), LABELS)
        assert f"slice {most(things)}" in written
    volume_preview(CASE, LABELS, 4)
    assert "slice 4" in written


def test_every_embolus_is_outlined_and_numbered_in_both_planes(written: list[str]) -> None:
    number = most(THINGS)
    here = [k for k in (1, 2) if (THINGS[number] == k).any()]
    image = opened(volume_preview(CASE, LABELS))
    assert written.count("1") + written.count("2") == len(here) + 2
    assert f"embolus: 2 in this volume, {len(here)} on this slice" in written
    right = image.crop((652, 0, image.width, 400))
    assert count(right, MASK_COLOURS[0]) > 10 and count(right, MASK_COLOURS[1]) > 10


def test_an_outline_lies_around_its_embolus() -> None:
    number = int(np.argwhere(THINGS == 1)[:, 0].mean())
    image = np.array(opened(volume_preview(CASE, LABELS, number)).crop((0, 0, 640, 460)))
    rows, columns = np.nonzero((image == MASK_COLOURS[0]).all(axis=2))
    _, y, x = np.argwhere((THINGS == 1) & (np.arange(30)[:, None, None] == number)).mean(axis=0)
    scale = 640 / (80 * 4.5)
    assert columns.mean() == pytest.approx((x + 0.5) * 4.5 * scale, abs=4)
    assert rows.mean() == pytest.approx((y + 0.5) * 4.0 * scale, abs=4)


def test_the_same_chest_has_the_same_front_however_it_lies() -> None:
    volume, things = lying()
    number = int(np.nonzero(things == 1)[0].mean())
    image = opened(volume_preview(replace(CASE, volume=volume, things=things), LABELS, number))
    other = opened(volume_preview(CASE, LABELS, most(THINGS)))
    right, same = (np.array(one.crop((652, 0, one.width, 300))) for one in (image, other))
    assert (right == same).mean() > 0.98  # all but the line of the slice
    left = image.crop((0, 0, 640, 640 * 30 * 5 // (66 * 4)))
    rows, columns = np.nonzero((np.array(left) == MASK_COLOURS[0]).all(axis=2))
    z, y = np.argwhere((THINGS == 1)[:, :, 79 - number]).mean(axis=0)
    scale = 640 / (66 * 4.0)
    assert columns.mean() == pytest.approx((y + 0.5) * 4.0 * scale, abs=4)
    assert rows.mean() == pytest.approx((29 - z + 0.5) * 5.0 * scale, abs=4)


def test_the_slices_of_each_are_told(written: list[str]) -> None:
    volume_preview(CASE, LABELS, 0)
    rows = [np.nonzero(k == THINGS)[0] for k in (1, 2)]
    told = "; ".join(f"{k}: {z.min()} to {z.max()}" for k, z in enumerate(rows, start=1))
    assert f"slices of each: {told}" in written
    assert "embolus: 2 in this volume, none on this slice" in written


def test_many_emboli_are_told_in_part(written: list[str]) -> None:
    things = np.zeros_like(THINGS)
    for k in range(20):
        things[k, 30, 2 * k] = k + 1
    volume_preview(replace(CASE, things=things), LABELS)
    assert any("12: 11 to 11; and 8 more" in text for text in written)


@pytest.mark.parametrize(
    ("things", "said"), [(None, "no truth given"), (THINGS * 0, "no embolus in this volume")]
)
def test_without_an_embolus_the_middle_is_shown_and_the_reason_told(
    things: np.ndarray | None, said: str, written: list[str]
) -> None:
    image = opened(volume_preview(replace(CASE, things=things), LABELS))
    assert said in written and "slice 15" in written
    assert count(image, MASK_COLOURS[0]) == 0
    assert not any(text.startswith("slices of each") for text in written)


def test_a_slice_that_is_not_there_is_refused() -> None:
    with pytest.raises(SliceError, match="slice 99: this volume has slices 0 to 29"):
        volume_preview(CASE, LABELS, 99)


def test_a_case_that_is_no_volume_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="case_000001 is no volume"):
        volume_preview(replace(CASE, volume=None))


def test_a_preview_does_not_tell_whose_it_is(written: list[str]) -> None:
    assert volume_preview(CASE) == volume_preview(replace(CASE, subject="other"))
    assert not any("secret" in text for text in written)
