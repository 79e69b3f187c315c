"""A vessel laid straight: bent or not, a clot is in the picture's middle, and its lumen around."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from models.imaging.vessels import beside, walks
from models.imaging.vessels.lumen import Contrast
from models.imaging.vessels.ridges import find_ridges
from models.imaging.vessels.straightened.pictures import CHANNELS, LONG, RINGS_MM, pictures

STEP = np.ones(3)
MEAN, MOST, LEAST = (slice(k * len(RINGS_MM), (k + 1) * len(RINGS_MM)) for k in range(3))
RADIUS, DARK = CHANNELS - 2, CHANNELS - 1
MIDDLE = LONG // 2


def pictured(chest: Any, *places: tuple[int, int, int]) -> np.ndarray:
    hu = chest.volume().voxels.astype(np.float32)
    contrast = Contrast(chest.lumen_hu)
    shown = find_ridges(hu, STEP, contrast, np.ones(hu.shape, dtype=bool)).shown
    vessel = walks.through(walks.walk(shown, np.array(places).reshape(-1, 3), STEP))
    return pictures(beside.greys(hu, contrast), vessel, STEP)


@pytest.fixture(scope="module")
def bent(chest: Callable[..., Any]) -> Any:
    """An artery along z that turns a quarter of a circle, a clot of 14 mm in the turn; a straight
    one with a clot and, 5 mm beside it, a bright neighbour.
    """
    full = chest(noise_hu=8.0, size_mm=(110.0, 130.0, 180.0))
    corners = [
        (55 + 25 * np.sin(a), 65.0, 25 + 25 * (1 - np.cos(a))) for a in np.arange(0, 1.6, 0.1)
    ]
    for one, two in pairwise(corners):
        full.tube(one, two, 2.5)
    full.tube((15, 65, 25), (55, 65, 25), 2.5)
    full.clot(corners[5], corners[11], 2.5)
    full.tube((5, 65, 140), (105, 65, 140), 2.0)
    full.clot((49, 65, 140), (61, 65, 140), 2.0)
    full.tube((5, 65, 145), (105, 65, 145), 1.5)
    return full


def test_a_clot_in_a_bend_is_dark_in_the_middle_with_lumen_to_either_side(bent: Any) -> None:
    at = (round(55 + 25 * np.sin(0.8)), 65, round(25 + 25 * (1 - np.cos(0.8))))
    (picture,) = pictured(bent, at)
    assert picture.shape == (CHANNELS, LONG) and np.isfinite(picture).all()
    axis = picture[MEAN][0]
    lumen = np.concatenate([axis[MIDDLE - 9 : MIDDLE - 6], axis[MIDDLE + 7 : MIDDLE + 10]])
    assert axis[MIDDLE - 2 : MIDDLE + 3].max() < 0.8 < lumen.min()
    assert picture[DARK, MIDDLE] > 0.7 and picture[DARK, MIDDLE - 8] < 0.25
    assert picture[MEAN][-1].max() < 0.3  # lung, all along


def test_what_runs_beside_is_in_the_most_of_its_ring_and_not_in_the_least(bent: Any) -> None:
    (picture,) = pictured(bent, (55, 65, 140))
    ring = int(np.flatnonzero(RINGS_MM == 5.25)[0])
    near = slice(MIDDLE - 5, MIDDLE + 6)
    assert picture[MOST][ring, near].min() > 0.7 > 0.2 > picture[LEAST][ring, near].max()


def test_a_vessel_walked_the_other_way_has_its_picture_the_other_way_round(bent: Any) -> None:
    hu = bent.volume().voxels.astype(np.float32)
    contrast = Contrast(bent.lumen_hu)
    shown = find_ridges(hu, STEP, contrast, np.ones(hu.shape, dtype=bool)).shown
    vessel = walks.through(walks.walk(shown, np.array([[55, 65, 140]]), STEP))
    grey = beside.greys(hu, contrast)
    there, back = (pictures(grey, way, STEP)[0] for way in (vessel, vessel[:, ::-1]))
    assert np.abs(there[MEAN] - back[MEAN][..., ::-1]).max() < 0.1


def test_a_radius_is_told_by_its_logarithm_and_no_places_make_no_picture(bent: Any) -> None:
    (picture,) = pictured(bent, (20, 65, 25))
    assert 1.5 < np.expm1(picture[RADIUS, MIDDLE]) < 4.0
    assert pictured(bent).shape == (0, CHANNELS, LONG)
