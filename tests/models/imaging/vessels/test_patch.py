from dataclasses import replace

import numpy as np
import pytest

from models.imaging.vessels import Candidate, patch, patches, rephased
from models.imaging.vessels.patch import CLOT_GREY, LOW_GREY, LUMEN_GREY, LUNG_GREY
from models.volume import Volume

BESIDE = (0.0, 0.0, 1.0)
LUNG_OF_850 = LUNG_GREY * 3 // 4


def tube(spacing: tuple[float, float, float], lumen_hu: int = 350) -> tuple[Volume, Candidate]:
    """A vessel 6 mm wide along x through 40 mm of lung, a clot in its middle 6 mm."""
    z, y, x = np.meshgrid(*(np.arange(round(40 / s)) * s - 20 for s in spacing), indexing="ij")
    voxels = np.where(np.hypot(z, y) < 3, np.where(np.abs(x) < 3, 60, lumen_hu), -850)
    affine = np.diag([*spacing[::-1], 1.0])
    affine[:3, 3] = 7.0
    centre = (20 / spacing[0], 20 / spacing[1], 20 / spacing[2])
    return Volume(voxels.astype(np.int16), affine), Candidate(centre, BESIDE, 5.0, 60.0, lumen_hu)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 0.5, 0.5), (0.5, 1.0, 2.0)])
def test_a_clot_is_a_bar_along_the_vessel_and_a_disc_across_it(
    spacing: tuple[float, float, float],
) -> None:
    picture = patch(*tube(spacing), 20.0, 0.0, 0.0, 100)  # 5 pixels a millimetre
    along, across = picture[..., 0], picture[..., 1]
    assert (along[50, 42:58] == CLOT_GREY).all() and (along[5, 45:55] == LUMEN_GREY).all()
    assert along[50, 5] == across[50, 5] == across[5, 50] == LUNG_OF_850
    assert across[50, 50] == CLOT_GREY and across.max() == CLOT_GREY
    assert np.array_equal(across, picture[..., 2])


def test_a_shift_moves_along_the_vessel_by_a_part_of_the_width() -> None:
    volume, candidate = tube((1.0, 1.0, 1.0))
    picture = patch(volume, candidate, 20.0, 0.2, 0.0, 100)  # 4 mm: into the lumen
    assert picture[50, 50, 1] == LUMEN_GREY
    assert picture[30, 50, 0] == CLOT_GREY  # what was in the middle lies 20 pixels higher


def test_a_turn_turns_both_planes_about_the_vessel() -> None:
    volume, candidate = tube((1.0, 1.0, 1.0))
    volume.voxels[20:, :, :][volume.voxels[20:] == 350] = 60  # the upper half is clot
    volume.voxels[20:, :, :][volume.voxels[20:] == -850] = 350
    turned = [patch(volume, candidate, 10.0, 0.0, turn, 64)[..., 1] for turn in (0, 90, 180)]
    assert np.abs(turned[0].astype(int) - np.rot90(turned[2], 2)).max() <= 1
    sides = [(p[:, :32].mean() > p[:, 32:].mean(), p[:32].mean() > p[32:].mean()) for p in turned]
    assert sides[0] != sides[2]
    flat = abs(float(turned[0][:, :32].mean()) - float(turned[0][:, 32:].mean()))
    other = abs(float(turned[1][:, :32].mean()) - float(turned[1][:, 32:].mean()))
    assert max(flat, other) > 10 * min(flat, other) + 5


@pytest.mark.parametrize("lumen_hu", [200, 350, 500])
def test_lumen_has_one_grey_whatever_contrast_was_given(lumen_hu: int) -> None:
    picture = patch(*tube((1.0, 1.0, 1.0), lumen_hu), 20.0, 0.0, 0.0, 64)
    assert picture[2, 32, 0] == LUMEN_GREY and picture[32, 32, 0] == CLOT_GREY


def test_many_views_are_the_single_ones() -> None:
    volume, candidate = tube((1.0, 0.8, 0.8))
    views = [(10.0, 0.0, 0.0), (15.0, -0.2, 72.0), (20.0, 0.1, 144.0)]
    many = patches(volume, candidate, views, 96)
    assert many.shape == (3, 96, 96, 3)
    for picture, view in zip(many, views, strict=True):
        assert np.array_equal(picture, patch(volume, candidate, *view, 96))


def test_a_patch_at_the_volumes_corner_repeats_its_edge() -> None:
    volume, candidate = tube((1.0, 1.0, 1.0))
    picture = patch(volume, replace(candidate, centre_voxel=(0.0, 0.0, 0.0)), 20.0, 0.2, 30.0, 64)
    assert picture.shape == (64, 64, 3) and (picture == LUNG_OF_850).all()


def test_the_orientation_of_the_array_changes_no_picture() -> None:
    volume, candidate = tube((1.0, 1.0, 1.0))
    affine = volume.affine[:, [2, 1, 0, 3]].copy()  # z first in the array becomes x
    affine[:3, 3] += affine[:3, 2] * 39
    affine[:3, 2] *= -1
    turned = Volume(np.flip(volume.voxels.transpose(2, 1, 0), 0).copy(), affine)
    z, y, x = candidate.centre_voxel
    same = replace(candidate, centre_voxel=(39 - x, y, z))
    first = patch(volume, candidate, 15.0, 0.1, 20.0, 64).astype(int)
    assert np.abs(first - patch(turned, same, 15.0, 0.1, 20.0, 64)).max() <= 1


def test_a_bronchus_is_told_from_the_lung_around_it() -> None:
    volume, candidate = tube((1.0, 1.0, 1.0))
    z, y = np.mgrid[:40, :40] - 20
    away = np.hypot(z, y - 7)
    volume.voxels[away < 3.5] = -300  # a wall
    volume.voxels[away < 2.5] = -1000
    across = patch(volume, candidate, 20.0, 0.0, 0.0, 64)[..., 1]
    assert across.min() == 0 < LUNG_OF_850 < LUNG_GREY
    assert (across == LUNG_OF_850).mean() > 0.5


def test_another_phase_moves_veins_and_leaves_the_order_of_greys() -> None:
    rng = np.random.default_rng(0)
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (4, 1, 3))
    seen = np.stack([rephased(ramp, rng)[0, :, 0] for _ in range(50)]).astype(int)
    assert (np.diff(seen, axis=1) >= 0).all()
    assert (seen[:, : LOW_GREY + 1] == np.arange(LOW_GREY + 1)).all()
    moved = np.abs(seen - np.arange(256)).max(axis=0)
    assert moved[163] > 25 and moved[CLOT_GREY] <= 10 and moved[LUMEN_GREY] <= 10
