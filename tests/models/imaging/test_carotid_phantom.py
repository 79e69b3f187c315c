"""A synthetic carotid shows two walls, and its lines lie where the picture's edges are."""

from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.imaging import carotid_phantom
from models.imaging.carotid_phantom import Frame
from models.imaging.carotid_phantom.style import StyleName
from models.imaging.frames import decode

STYLES: tuple[StyleName, ...] = ("usual", "other")
every_style = pytest.mark.parametrize("style", STYLES)
FRAMES = 8
EDGE_MM = 0.09  # between a line and the steepest rise near it, on average


@cache
def frames(style: StyleName) -> tuple[Frame, ...]:
    drawn = [np.random.default_rng([3, k]) for k in range(FRAMES)]
    return tuple(carotid_phantom.frame(rng, style=style) for rng in drawn)


def grey_at(frame: Frame, line: NDArray[np.float64], off_mm: float) -> NDArray[np.float64]:
    """Grey values along a line, moved down by millimetres."""
    moved = line + np.array([0, off_mm / frame.spacing_mm[0]])
    across, down = moved.astype(np.float32).T
    return cv2.remap(frame.pixels, across, down, cv2.INTER_LINEAR).ravel().astype(float)


def test_a_frame_is_its_seed() -> None:
    again = carotid_phantom.frame(np.random.default_rng([3, 0]))
    first, second = frames("usual")[:2]
    assert np.array_equal(again.pixels, first.pixels)
    assert not np.array_equal(again.pixels, second.pixels)


@every_style
def test_the_lumen_is_darker_than_both_walls_and_the_far_wall_is_a_double_line(
    style: StyleName,
) -> None:
    for frame in frames(style):
        lumen = np.mean([grey_at(frame, frame.lumen_intima, -mm).mean() for mm in (0.8, 1.2, 1.6)])
        wall = grey_at(frame, frame.media_adventitia, 0.15).mean()
        assert lumen + 40 < wall
        assert lumen < grey_at(frame, frame.lumen_intima, 0.1).mean()


@every_style
def test_the_lines_lie_on_the_edges_towards_the_probe(style: StyleName) -> None:
    off = np.arange(-0.3, 0.31, 0.02)
    for at, line in ((0, "lumen_intima"), (1, "media_adventitia")):
        rises = []
        for frame in frames(style):
            profile = [grey_at(frame, getattr(frame, line), mm).mean() for mm in off]
            rises.append(off[int(np.argmax(np.gradient(profile)))])
        assert abs(np.mean(rises)) < EDGE_MM, (at, rises)


@every_style
def test_the_lines_never_cross_and_stay_in_the_picture(style: StyleName) -> None:
    for frame in frames(style):
        lumen, media = frame.lumen_intima, frame.media_adventitia
        assert np.array_equal(lumen[:, 0], media[:, 0])
        thick = (media - lumen)[:, 1] * frame.spacing_mm[0]
        assert thick.min() > 0.3
        assert thick.max() < 4
        assert (media[:, 1] < frame.pixels.shape[0]).all()
        assert (lumen[:, 1] > frame.pixels.shape[0] / 4).all()


def test_another_population_is_another_scanner() -> None:
    spacings = [[frame.spacing_mm[0] for frame in frames(style)] for style in STYLES]
    assert np.std(spacings[1]) > 3 * np.std(spacings[0])
    assert all(frame.region_px[:2] > (0, 0) for frame in frames("other"))
    assert all(300 < side < 1050 for frame in frames("other") for side in frame.pixels.shape)


def test_a_patient_is_a_cubs_tree_of_two_images_and_three_readers() -> None:
    phantom = carotid_phantom.patient(np.random.default_rng(1), 0)
    images = sorted(name for name in phantom.files if name.startswith("IMAGES/"))
    assert images == ["IMAGES/clin_0001_L.tiff", "IMAGES/clin_0001_R.tiff"]
    pixels, notes = decode(phantom.files[images[0]])
    assert notes == ()
    assert 0.05 < float(phantom.files["CF/clin_0001_L_CF.txt"]) < 0.07
    folders = {name.rsplit("/", 1)[0] for name in phantom.files if "LIMA" in name}
    assert folders == {f"LIMA-Profiles/Manual-{who}" for who in ("A1", "A1s", "A2")}
    rows = phantom.files["LIMA-Profiles/Manual-A1s/clin_0001_L-LI.txt"].decode().split("\n")[:-1]
    points = np.array([row.split() for row in rows], float)
    assert (np.diff(points[:, 0]) > 0).all()
    assert 0 < points[:, 1].min() < points[:, 1].max() < len(pixels)
    assert len(phantom.files["LIMA-Profiles/Manual-A2/clin_0001_L-MA.txt"].splitlines()) == 2


def test_readers_differ_by_a_fraction_of_the_wall() -> None:
    frame = frames("usual")[0]
    truth, rng = frame.lumen_intima, np.random.default_rng(2)
    away = []
    for reader in carotid_phantom.READERS:
        drawn, _ = carotid_phantom.readers.traced(
            rng, reader, (truth, frame.media_adventitia), frame.spacing_mm[0]
        )
        assert len(drawn) < len(truth)
        off = drawn[:, 1] - np.interp(drawn[:, 0], *truth.T)
        away.append(float(np.abs(off).mean() * frame.spacing_mm[0] * 1000))
    assert all(3 < um < 80 for um in away)
