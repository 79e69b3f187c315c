"""Emboli planted into a chest CT lie in new bright arteries, and nothing else is touched."""

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from models.imaging import ctpa_phantom
from models.imaging.ctpa_phantom.grid import Grid
from models.imaging.ctpa_phantom.planting import find_lungs, plant
from models.volume import LabelVoxels, Volume, VolumeError


@cache
def chest() -> Volume:
    """A chest whose vessels hold hardly any contrast: a phantom with its blood at 40 HU."""
    rng = np.random.default_rng(3)
    thorax = ctpa_phantom.volume(rng, shape=(64, 128, 128), emboli=0).volume
    voxels = thorax.voxels.copy()
    bright = (voxels > 120) & (voxels < 900)
    voxels[bright] = 40 + (voxels[bright] - 120) // 20
    return Volume(voxels, thorax.affine, "nifti", "1.2.3", (), (("a", "note"),))


@cache
def planted() -> tuple[Volume, LabelVoxels]:
    return plant(chest(), np.random.default_rng(1), 5)


def test_planting_is_the_seed_and_leaves_the_original_as_it_was() -> None:
    before = chest().voxels.copy()
    volume, labels = plant(chest(), np.random.default_rng(1), 5)
    assert np.array_equal(chest().voxels, before)
    assert np.array_equal(volume.voxels, planted()[0].voxels)
    assert np.array_equal(labels, planted()[1])


def test_the_place_and_the_papers_of_the_volume_stay() -> None:
    volume, labels = planted()
    assert np.array_equal(volume.affine, chest().affine)
    assert (volume.source, volume.series_uid, volume.notes) == ("nifti", "1.2.3", (("a", "note"),))
    assert labels.shape == volume.voxels.shape


def test_emboli_are_numbered_and_lie_beside_bright_lumen() -> None:
    volume, labels = planted()
    assert 3 <= labels.max() <= 5  # at 2.6 mm some are too thin for a voxel
    for number in range(1, int(labels.max()) + 1):
        mine = labels == number
        assert mine.any()
        around = ndimage.binary_dilation(mine, iterations=3)
        assert volume.voxels[around].max() > volume.voxels[mine].mean() + 100


def test_only_the_lungs_and_their_hila_change_and_they_only_get_brighter_outside_of_lumens() -> (
    None
):
    volume, _ = planted()
    changed = volume.voxels != chest().voxels
    assert 0.005 < changed.mean() < 0.4
    lungs = find_lungs(chest().voxels, Grid(chest().voxels.shape, chest().spacing_mm, (0, 0, 0)))
    both = np.any(lungs.fields, axis=0)
    field = both
    for axis, every in enumerate(lungs.every):
        field = field.repeat(every, axis)
    field = field[tuple(slice(n) for n in changed.shape)]
    near = ndimage.binary_dilation(field, iterations=6)
    assert (changed & ~near).sum() < 0.01 * changed.sum()


def test_noise_outside_of_vessels_stays() -> None:
    volume, _ = planted()
    apart = volume.voxels[chest().voxels > 30] == chest().voxels[chest().voxels > 30]
    assert apart.mean() > 0.8


def test_a_turned_volume_is_planted_into_as_well() -> None:
    turn = chest().affine.copy()
    turn[:3, 0] *= -1
    flipped = Volume(chest().voxels.transpose(1, 2, 0), turn[:, [2, 0, 1, 3]])
    volume, labels = plant(flipped, np.random.default_rng(1), 3)
    assert 1 <= labels.max() <= 3
    assert labels.shape == volume.voxels.shape == flipped.voxels.shape


def test_a_volume_without_lungs_is_refused() -> None:
    solid = Volume(np.full((20, 40, 40), 40, np.int16), np.diag([4.0, 4, 4, 1]))
    with pytest.raises(VolumeError, match="no_lung"):
        plant(solid, np.random.default_rng(0), 2)
