"""The planes along and across a vessel, found from the volume alone."""

import numpy as np
import pytest

from models.findings import Embolus
from models.pictures import aligned
from models.volume import Volume
from tests.models.pictures.chests import VESSELS, chest, found, lying


def tube(way: tuple[float, float, float], step: tuple[float, float, float]) -> Volume:
    """A bright vessel along `way` (z, y, x in mm) in lung, dark in its middle."""
    shape = tuple(int(48 / side) for side in step)
    z, y, x = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * side for n, side in zip(shape, step, strict=True)),
        indexing="ij",
    )
    a = z * way[0] + y * way[1] + x * way[2]
    away = np.sqrt(np.maximum(z**2 + y**2 + x**2 - a**2, 0))
    inside = np.clip(4.5 - away, 0, 1)
    hu = -800 + inside * np.where(np.abs(a) < 6, 860, 1120)
    return Volume(hu.astype(np.int16), np.diag([step[2], step[1], step[0], 1.0]))


@pytest.mark.parametrize("step", [(1.0, 0.7, 0.7), (2.5, 0.8, 0.8), (1.2, 1.2, 1.2)])
@pytest.mark.parametrize("seed", range(4))
def test_the_direction_is_the_vessels_whatever_the_voxels_are(
    seed: int, step: tuple[float, float, float]
) -> None:
    way = np.random.default_rng(seed).normal(size=3)
    way /= np.linalg.norm(way)
    volume = tube((way[0], way[1], way[2]), step)
    z, y, x = ((n - 1) / 2 for n in volume.voxels.shape)
    along = np.array(aligned.direction(volume, (z, y, x)))
    assert np.linalg.norm(along) == pytest.approx(1)
    assert np.rad2deg(np.arccos(min(1.0, abs(along @ way)))) < 12


def test_the_direction_is_in_the_patient_however_the_volume_lies() -> None:
    for volume, things in (chest(), lying()):
        place = found(volume, things, 0.9).emboli[0].centre_voxel
        x, y, z = np.array(VESSELS[0][0]) / np.linalg.norm(VESSELS[0][0])
        along = np.array(aligned.direction(volume, place))
        assert abs(along @ (z, y, x)) > 0.9


def test_where_nothing_is_to_be_seen_there_is_a_direction_all_the_same() -> None:
    flat = Volume(np.full((9, 9, 9), 40, np.int16), np.eye(4))
    assert aligned.direction(flat, (4, 4, 4)) == aligned.UP
    assert aligned.direction(flat, (0, 8, -0.4)) == aligned.UP


def test_each_of_the_best_has_number_score_and_diameter(written: list[str]) -> None:
    volume, _ = chest()
    emboli = {k: Embolus((15.0, 30.0, 30.0), (0, 0, 0), 4.25 + k, 1 - k / 10) for k in range(1, 8)}
    image = aligned.gallery(volume, emboli, 460)
    assert written == ["1  0.90  5.2 mm", "2  0.80  6.2 mm", "3  0.70  7.2 mm", "4  0.60  8.2 mm"]
    assert image.width == 460
    assert aligned.gallery(volume, {1: emboli[1]}, 460).height < image.height
