"""The far wall is found in frames, whatever lies around it."""

import cv2
import numpy as np
import pytest

from models.case import Pixels
from models.imaging.carotid_phantom import frame as phantom
from models.imaging.wall.locating import Stretch, content, locate
from tests.models.imaging.wall.pictures import frame


def off(stretch: Stretch, line: np.ndarray) -> np.ndarray:
    """How far a stretch is from a line, in each column of the line."""
    return np.abs(np.interp(line[:, 0], stretch.x, stretch.y) - line[:, 1])


@pytest.mark.parametrize("slope", [-0.2, 0.0, 0.25])
@pytest.mark.parametrize("far", [200.0, 380.0])
def test_the_far_wall_is_found_at_any_depth_and_tilt(far: float, slope: float) -> None:
    pixels, (upper, _) = frame(far=far, slope=slope)
    found = locate(pixels)
    assert off(found[0], upper).max() < 25


def test_margins_and_writing_are_not_part_of_what_the_probe_shows() -> None:
    pixels, _ = frame()
    screen = np.zeros((700, 900, 3), np.uint8)
    screen[120:600, 150:790] = pixels
    cv2.putText(screen, "CAROTID LT  12:30", (20, 40), 0, 0.6, (255, 255, 255))
    x0, y0, x1, y1 = content(screen)
    assert np.abs(np.array([x0, y0, x1, y1]) - [150, 120, 790, 600]).max() <= 12


def test_a_black_lumen_does_not_cut_the_picture_in_two() -> None:
    pixels, (upper, _) = frame()
    pixels[pixels < 60] = 0
    assert content(pixels)[3] > 460
    assert off(locate(pixels)[0], upper).max() < 25


def test_the_near_wall_under_a_vein_is_not_taken_for_the_far_wall() -> None:
    pixels, (upper, _) = frame(far=360)
    pixels[120:230] = np.minimum(pixels[120:230], 20)  # dark above the near wall: the vein
    assert off(locate(pixels)[0], upper).max() < 25


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gain_and_compression_do_not_matter(gamma: float) -> None:
    pixels, (upper, _) = frame()
    other = np.clip(255 * (pixels / 255.0) ** gamma, 0, 255).astype(np.uint8)
    assert off(locate(other)[0], upper).max() < 25


def test_where_nothing_is_seen_no_wall_is_found() -> None:
    noise = np.random.default_rng(0).integers(90, 130, (300, 400, 3), dtype=np.uint8)
    assert locate(noise) == ()
    assert locate(np.zeros((300, 400, 3), np.uint8)) == ()
    assert locate(np.zeros((1, 1, 3), np.uint8)) == ()


def test_in_a_region_pointed_at_there_is_a_wall_in_its_columns_and_rows() -> None:
    pixels, (upper, _) = frame()
    (found,) = locate(pixels, (100.0, 250.0, 300.0, 350.0))
    assert (found.x[0], found.x[-1]) == (100, 299)
    assert np.abs(found.y - np.interp(found.x, upper[:, 0], upper[:, 1])).max() < 25
    (level,) = locate(np.zeros((300, 400, 3), np.uint8), (50.0, 60.0, 90.0, 80.0))
    assert (level.x[0], level.x[-1]) == (50, 89) and (level.y == 70).all()


def test_the_far_wall_of_phantoms_of_two_populations_is_found() -> None:
    def seen(pixels: Pixels, line: np.ndarray) -> float:
        found = locate(pixels)
        return float((off(found[0], line) < 60).mean()) if found else 0.0

    for style in ("usual", "other"):
        shares = []
        for k in range(4):
            made = phantom(np.random.default_rng([5, k]), style=style)
            pixels = np.repeat(made.pixels[..., None], 3, axis=2)
            shares.append(seen(pixels, made.media_adventitia))
        assert np.mean(shares) > 0.95
