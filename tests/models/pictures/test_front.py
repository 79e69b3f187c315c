"""A chest from the front: bones are left out where the lungs tell where they are."""

import numpy as np
import pytest

from models.pictures.front import seen_from_front
from models.pictures.planes import Upright, overview
from models.volume import Volume, upright
from tests.models.pictures.chests import chest, lying

BONE_HU, VESSEL_HU = 600, 250


@pytest.mark.parametrize("volume", [chest()[0], lying()[0]], ids=["axial", "lying"])
def test_the_spine_is_left_out_and_vessels_are_seen_beside_it(volume: Volume) -> None:
    turned = upright(volume)
    seen, boneless = seen_from_front(turned)
    whole = turned.voxels.max(axis=1)
    assert boneless and seen.shape == whole.shape
    spine = (whole > BONE_HU).sum()
    assert (seen[5:-5] > BONE_HU).sum() < 0.02 * spine
    vessels = (chest()[0].voxels > VESSEL_HU) & (chest()[0].voxels < BONE_HU)
    there = vessels.any(axis=1) & (whole < BONE_HU)
    assert (seen[there] > VESSEL_HU).mean() > 0.75


def test_a_couch_and_the_room_are_no_lungs() -> None:
    volume, _ = chest()
    voxels = volume.voxels.copy()
    voxels[:, -2:, :] = 300  # a slab under the back, its sides bent up
    voxels[:, -16:, :2], voxels[:, -16:, -2:] = 300, 300
    seen, boneless = seen_from_front(Volume(voxels, volume.affine))
    plain, _ = seen_from_front(volume)
    assert boneless and (seen == plain).mean() > 0.99


@pytest.mark.parametrize("hu", [-1000, -850, 40, 3000])
def test_without_lungs_all_of_it_is_seen(hu: int) -> None:
    voxels = np.full((20, 30, 30), hu, np.int16)
    voxels[7, 8, 9] = 3071
    volume = Volume(voxels, np.diag([8.0, 8.0, 8.0, 1.0]))
    seen, boneless = seen_from_front(volume)
    assert not boneless and (seen == voxels.max(axis=1)).all()
    assert "of the whole volume, window -100 to 700 HU" in overview(Upright.of(volume), (99, 99))[1]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 40), (3, 2, 200)])
def test_a_volume_of_any_size_is_seen(shape: tuple[int, int, int]) -> None:
    seen, _ = seen_from_front(Volume(np.full(shape, -800, np.int16), np.eye(4)))
    assert seen.shape == (shape[0], shape[2])
