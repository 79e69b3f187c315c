"""An embolism finding in its volume: where it is, on which slice, and in plain words."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from models.findings import EmbolismFinding, Labels, OperatingPoint
from models.pictures import SliceError, volume_picture
from models.pictures.embolism import CIRCLED
from models.pictures.look import BLUE
from models.pictures.marks import YELLOW
from models.volume import Volume
from tests.models.pictures.chests import chest, embolus, found, lying
from tests.models.pictures.drawn import count, opened

LABELS = Labels(("other", "embolus"), "embolus")
POINT = OperatingPoint("fp_per_volume=2", 0.4, 0.86, None, 0.75, 0.93, fp_per_volume=1.8)
VOLUME, THINGS = chest()
FOUND = found(VOLUME, THINGS, 0.93, 0.71)


def shown(
    finding: EmbolismFinding, point: OperatingPoint | None = POINT, slice: int | None = None,
    volume: Volume = VOLUME,
) -> Image.Image:  # fmt: skip
    return opened(volume_picture(volume, finding, LABELS, point, slice))


def test_verdict_scores_and_what_the_threshold_buys_are_written(written: list[str]) -> None:
    shown(FOUND)
    told = " ".join(written)
    assert "embolus: 2 found" in written and "0.93" in written
    assert "1: 9.0 mm" in written and "2: 9.0 mm" in written
    assert "counted from a score of 0.40 upwards (fp_per_volume=2)" in told
    assert "sensitivity 0.86 (0.75 to 0.93) per embolus, 1.8 false positives per volume" in told
    assert written[-1] == "research use only"


def test_the_caption_tells_slice_place_and_windows(written: list[str]) -> None:
    shown(FOUND, slice=12)
    told = " ".join(written)
    assert "axial slice 12 of 0 to 29, LPS z = -340.0 mm, window -250 to 450 HU" in told
    assert "coronal maximum intensity projection of the lungs" in told
    assert "20 mm wide; lung (-800 HU) nearly black" in told
    assert {"R", "L", "A", "P", "H", "F"} <= set(written)
    assert sum(text.endswith(" mm") and text[0] == "1" and ":" not in text for text in written) > 1


def test_the_slice_is_that_of_the_best_unless_another_is_asked_for(written: list[str]) -> None:
    for volume, things in (chest(), lying()):
        finding = found(volume, things, 0.93, 0.71)
        number = round(finding.emboli[0].centre_voxel[0])
        shown(finding, volume=volume)
        assert f"slice {number}" in written
        written.clear()
    shown(FOUND, slice=3)
    assert "slice 3" in written


def test_an_embolus_is_circled_where_it_is() -> None:
    one = replace(FOUND, emboli=FOUND.emboli[:1])
    image = np.array(shown(one).crop((0, 0, 640, 400)))
    rows, columns = np.nonzero((image == YELLOW).all(axis=2))
    _, y, x = one.emboli[0].centre_voxel
    scale = 640 / (80 * 4.5)
    circle = np.hypot(columns - (x + 0.5) * 4.5 * scale, rows - (y + 0.5) * 4 * scale)
    near = np.sort(circle)[: (circle < 16).sum()]
    assert len(near) > 40 and near.min() > 8  # the embolus itself is left free
    assert (
        np.array(shown(one))[round((y + 0.5) * 4 * scale), round((x + 0.5) * 4.5 * scale)][0] < 255
    )


def test_what_is_only_near_the_slice_is_dashed_and_what_is_far_is_not_there() -> None:
    z, y, x = FOUND.emboli[0].centre_voxel
    small = embolus(VOLUME, (z, y, x), 2.0, 0.9)
    finding = EmbolismFinding(True, 0.9, (small,))
    on, near, far = (
        count(shown(finding, slice=int(z) + k).crop((0, 0, 640, 460)), YELLOW) for k in (0, 1, 3)
    )
    assert far == 0 and 0 < near < on


def test_a_volume_without_an_embolus_is_told_plainly(written: list[str]) -> None:
    nothing = EmbolismFinding(False, 0.12, ())
    image = shown(nothing)
    assert "no embolus found" in written and "highest score" in written
    assert f"slice {VOLUME.voxels.shape[0] // 2}" in written
    assert count(image, YELLOW) == 0 and count(image, BLUE) == 0
    assert "small:" not in " ".join(written)


def test_without_a_threshold_every_candidate_is_called_one(written: list[str]) -> None:
    shown(FOUND, None)
    assert "2 candidates, no threshold" in written
    assert any(text.endswith("there is an embolus") for text in written)
    shown(EmbolismFinding(False, 0.0, ()), None)
    assert "no candidates, no threshold" in written


def test_many_emboli_are_circled_and_the_best_of_them_named(written: list[str]) -> None:
    rng = np.random.default_rng(0)
    places = [(float(z), float(y), float(x)) for z, y, x in rng.uniform(5, 25, (60, 3))]
    many = tuple(embolus(VOLUME, place, 6.0, 1 - k / 100) for k, place in enumerate(places))
    shown(EmbolismFinding(True, 1.0, many))
    assert "embolus: 60 found" in written
    assert "and 54 more, scores 0.94 to 0.41; the best 24 have a circle" in written
    assert "7" not in written


def test_a_circle_is_drawn_for_the_best_alone_where_there_are_too_many() -> None:
    places = [(15.0, 4.0 + 9 * (k % 6), 4.0 + 9 * (k // 6 % 6)) for k in range(36)]
    many = tuple(embolus(VOLUME, place, 3.0, 1 - k / 100) for k, place in enumerate(places))
    few, all_ = (
        shown(EmbolismFinding(True, 1.0, many[:number]), slice=15) for number in (CIRCLED, 36)
    )
    assert count(few, YELLOW) == count(all_, YELLOW) > 0


def test_a_place_a_hair_outside_of_the_volume_is_drawn_all_the_same() -> None:
    outside = embolus(VOLUME, (-0.4, 65.4, -0.49), 3.0, 0.6)
    assert shown(EmbolismFinding(True, 0.6, (outside,))).width > 900


def test_a_slice_that_is_not_there_is_refused() -> None:
    with pytest.raises(SliceError, match="0 to 29"):
        shown(FOUND, slice=30)


def test_the_same_finding_gives_the_same_bytes_and_leaves_the_volume_alone() -> None:
    before = VOLUME.voxels.copy()
    VOLUME.voxels.setflags(write=False)  # as a volume mapped from a file is
    one, other = (volume_picture(VOLUME, FOUND, LABELS, POINT) for _ in range(2))
    assert one == other and (VOLUME.voxels == before).all()
