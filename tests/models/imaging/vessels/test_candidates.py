from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from models.imaging.vessels import Candidate, find
from models.imaging.vessels.candidates import APART_MM, _apart, _middles
from models.volume import Volume

Chests = Callable[..., Any]


@dataclass(frozen=True)
class Searched:
    chest: Any
    volume: Volume
    found: tuple[Candidate, ...]
    told: tuple[str, ...]


@pytest.fixture(scope="module")
def usual(chest: Chests) -> Searched:
    """A chest with five clots, searched once for all tests here."""
    full = chest().tree().clots()
    volume, told = full.volume(), list[str]()
    return Searched(full, volume, find(volume, told.append), tuple(told))


def hit(chest: Any, found: tuple[Candidate, ...]) -> dict[int, int]:
    """The rank of the first candidate whose voxel is each clot's."""
    ranks: dict[int, int] = {}
    for rank, candidate in enumerate(found):
        voxel = tuple(int(side) for side in np.round(candidate.centre_voxel))
        ranks.setdefault(int(chest.labels[voxel]), rank)
    ranks.pop(0, None)
    return ranks


@pytest.mark.parametrize(
    "given",
    [{"lumen_hu": 480.0}, {"lumen_hu": 230.0}, {"spacing": (2.5, 0.8, 0.8)}, {"body_fills": True}],
)
def test_every_clot_central_to_peripheral_has_a_candidate_on_it(
    chest: Chests, given: dict[str, Any]
) -> None:
    full = chest(**given).tree().clots()
    ranks = hit(full, find(full.volume()))
    assert set(ranks) == {1, 2, 3, 4, 5}
    assert max(ranks.values()) < 40


def test_every_clot_of_a_usual_chest_is_among_the_first(usual: Searched) -> None:
    ranks = hit(usual.chest, usual.found)
    assert set(ranks) == {1, 2, 3, 4, 5}
    assert max(ranks.values()) < 20


def test_candidates_are_told_in_voxels_of_the_volume_as_it_was_given(usual: Searched) -> None:
    volume = usual.volume
    turned = np.flip(volume.voxels.transpose(1, 2, 0), 0)  # array axes: to the front, left, head
    affine = np.column_stack(
        [volume.affine[:, 2], volume.affine[:, 0], -volume.affine[:, 1], volume.affine[:, 3]]
    )
    affine[:, 3] += volume.affine[:, 1] * (volume.voxels.shape[1] - 1)
    other = Volume(np.ascontiguousarray(turned), affine, "nifti")
    straight, crooked = usual.found, find(other)
    assert len(straight) == len(crooked)
    for one, two in zip(straight, crooked, strict=True):
        assert np.allclose(volume.to_mm(one.centre_voxel), other.to_mm(two.centre_voxel))
        assert np.allclose(one.axis, two.axis)


def test_the_same_volume_has_the_same_candidates(usual: Searched) -> None:
    assert find(usual.volume, most=10) == usual.found[:10]


def test_the_stages_are_told(usual: Searched) -> None:
    assert usual.told == ("vessels", "candidates")


def test_the_most_plausible_are_kept_and_lie_apart(usual: Searched) -> None:
    volume, more = usual.volume, usual.found
    scores = [candidate.plausibility for candidate in more]
    assert scores == sorted(scores, reverse=True)
    places = np.array([volume.to_mm(candidate.centre_voxel) for candidate in more])
    away = np.linalg.norm(places[:, None] - places, axis=2) + 100 * np.eye(len(places))
    assert away.min() >= 4.0  # the middles of places 8 mm apart


def test_no_place_is_chosen_that_is_near_to_a_better_one() -> None:
    rng = np.random.default_rng(2)
    at, scores = rng.uniform(0, 60, (400, 3)), rng.normal(size=400)
    kept = _apart(at, scores, 40)
    away = np.linalg.norm(at[kept][:, None] - at[kept], axis=2) + 100 * np.eye(len(kept))
    assert len(kept) == 40 and away.min() >= APART_MM
    assert (np.diff(scores[kept]) <= 0).all()
    better = np.linalg.norm(at[:, None] - at[kept], axis=2) < APART_MM
    left = np.setdiff1d(np.flatnonzero(scores >= scores[kept].min()), kept)
    assert all((scores[kept][better[one]] > scores[one]).any() for one in left)


def test_a_candidates_centre_is_the_middle_of_the_likely_places_nearest_to_it() -> None:
    at = np.array([[0.0, 0, 0], [4, 0, 0], [-2, 0, 0], [9, 0, 0], [5.2, 0, 0]])
    sure, doubted = 20.0, 0.0
    scores = np.array([sure, sure, doubted, doubted, sure])
    first, second = _middles(at, scores, np.array([0, 3]))
    assert first == pytest.approx([(0 + 4 - 2 / 2) / 2.5, 0, 0], abs=1e-4)
    assert second == pytest.approx([(9 / 2 + 5.2) / 1.5, 0, 0], abs=1e-4)


def test_a_clots_axis_is_its_vessels(chest: Chests) -> None:
    full = chest()
    full.tube((20, 60, 40), (70, 60, 40), 3.0)  # along z
    full.tube((25, 75, 130), (65, 55, 145), 2.5)  # oblique
    full.clot((40, 60, 40), (50, 60, 40), 3.0)
    full.clot((41, 67, 136), (49, 63, 139), 2.5)
    found = find(full.volume())
    oblique = np.array([40.0, -20.0, 15.0]) / np.linalg.norm([40.0, -20.0, 15.0])
    ranks = hit(full, found)
    for clot, axis in ((1, np.array([1.0, 0.0, 0.0])), (2, oblique)):
        assert abs(np.dot(found[ranks[clot]].axis, axis)) > 0.97
        assert 3 < found[ranks[clot]].diameter_mm < 9


def test_without_contrast_there_are_no_candidates(chest: Chests) -> None:
    plain = chest(lumen_hu=45.0).tree()
    assert find(plain.volume()) == ()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 200, 200), (40, 2, 40), (9, 9, 9)])
def test_a_tiny_volume_has_no_candidates(shape: tuple[int, int, int]) -> None:
    assert find(Volume(np.full(shape, 300, dtype=np.int16), np.eye(4))) == ()


@pytest.mark.parametrize("value", [-1024, 40, 300, 3071])
def test_a_volume_of_one_value_has_no_candidates(value: int) -> None:
    assert find(Volume(np.full((40, 40, 40), value, dtype=np.int16), np.eye(4))) == ()


def test_without_a_lung_the_bright_lumen_is_searched() -> None:
    z, y, x = np.meshgrid(*(np.arange(48.0),) * 3, indexing="ij")
    voxels = np.where(np.hypot(y - 24, x - 24) < 9, 320.0, 40.0)
    voxels[(np.abs(z - 24) < 7) & (np.hypot(y - 25, x - 24) < 4)] = 60
    voxels += np.random.default_rng(0).normal(0, 12, voxels.shape)
    found = find(Volume(voxels.astype(np.int16), np.eye(4)))
    assert any(np.linalg.norm(np.array(k.centre_voxel) - (24, 25, 24)) < 7 for k in found[:20])


def test_a_lung_cut_out_of_a_chest_is_searched(usual: Searched) -> None:
    full, volume = usual.chest, usual.volume
    part = Volume(np.ascontiguousarray(volume.voxels[:, 30:100, 95:170]), volume.affine)
    found = find(part)
    places = np.round([candidate.centre_voxel for candidate in found]).astype(int)
    assert 4 in full.labels[tuple((places + np.array((0, 30, 95))).T)]
