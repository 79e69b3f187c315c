"""One warp for a picture and its mask."""

import numpy as np
import pytest

from models.case import UNKNOWN
from models.imaging import views
from models.imaging.looks import Look
from models.imaging.views import Motion
from models.tasks import polyp, segmentation

PLAIN = Look(brightness=0, contrast=1, gamma=1)
STILL = Motion(zoom=(1, 1), aspect=1, turn_deg=0, mirror=False)
MOTIONS = [polyp.MOTION, segmentation.MOTION, STILL]
SHADES = np.array([0, 120, 240], np.uint8)


def scene(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose grey says its mask's class, in shapes without any symmetry."""
    y, x = np.mgrid[:height, :width] + 0.5
    mask = np.zeros((height, width), np.uint8)
    mask[
        ((x - 0.3 * width) / (0.2 * width)) ** 2 + ((y - 0.35 * height) / (0.12 * height)) ** 2 < 1
    ] = 1
    mask[(x > 0.6 * width) & (y > 0.5 * height) & (x / width + y / height < 1.5)] = 2
    return np.repeat(SHADES[mask][..., None], 3, axis=2), mask


def unlike(pixels: np.ndarray, mask: np.ndarray) -> float:
    """The share of known pixels whose shade is nearer to that of another class."""
    known = mask != UNKNOWN
    nearest = np.abs(pixels[..., :1].astype(int) - SHADES).argmin(axis=2)
    return float((nearest != mask)[known].mean())


@pytest.mark.parametrize("motion", MOTIONS, ids=["polyp", "segmentation", "still"])
@pytest.mark.parametrize("shape", [(300, 300), (210, 410), (60, 50)])
def test_the_mask_follows_the_pixels(motion: Motion, shape: tuple[int, int]) -> None:
    pixels, mask = scene(*shape)
    rng = np.random.default_rng(0)
    for _ in range(20):
        roi = views.view(pixels, mask, 96, motion, PLAIN, rng)
        assert roi.mask is not None
        assert unlike(roi.pixels, roi.mask) < 0.05  # a rim of one pixel, as its shade is mixed
        assert set(np.unique(roi.mask)) <= {0, 1, 2, UNKNOWN}


def test_a_mask_off_by_two_pixels_would_be_seen() -> None:
    pixels, mask = scene(300, 300)
    roi = views.view(pixels, mask, 96, STILL, PLAIN, np.random.default_rng(0))
    assert roi.mask is not None
    assert unlike(roi.pixels, roi.mask) < 0.02
    assert unlike(roi.pixels, np.roll(roi.mask, 2, axis=1)) > 0.02


@pytest.mark.parametrize("shape", [(300, 300), (210, 410), (96, 96), (40, 30)])
def test_a_view_at_rest_is_the_serving_patch(shape: tuple[int, int]) -> None:
    height, width = shape
    y, x = np.mgrid[:height, :width]
    ramp = np.stack([x * 250 / width, y * 250 / height, (x + y) * 120 / (width + height)], axis=2)
    pixels, (_, mask) = ramp.astype(np.uint8), scene(height, width)
    still = views.view(pixels, mask, 96, STILL, PLAIN, np.random.default_rng(0))
    served = views.squeezed(pixels, mask, 96)
    assert still.box_px == pytest.approx(served.box_px)
    assert still.mask is not None and served.mask is not None
    assert (still.mask == served.mask).mean() > 0.97
    np.testing.assert_allclose(still.pixels.astype(int), served.pixels.astype(int), atol=5)


def test_beyond_the_image_nothing_is_known_and_the_picture_is_mirrored() -> None:
    pixels, mask = np.full((100, 80, 3), 90, np.uint8), np.ones((100, 80), np.uint8)
    smaller = Motion(zoom=(0.5, 0.5), aspect=1, turn_deg=0)
    roi = views.view(pixels, mask, 64, smaller, PLAIN, np.random.default_rng(0))
    assert roi.mask is not None
    assert (roi.pixels == 90).all()
    assert set(np.unique(roi.mask)) == {1, UNKNOWN}
    assert (roi.mask == 1).mean() == pytest.approx(0.25, abs=0.02)
    assert roi.box_px == pytest.approx((0, 0, 80, 100))


def test_a_larger_view_shows_a_part_and_says_which() -> None:
    x = np.arange(200, dtype=np.uint8)
    pixels = np.repeat(np.tile(x, (100, 1))[..., None], 3, axis=2)
    larger = Motion(zoom=(2, 2), aspect=1, turn_deg=0, mirror=False)
    roi = views.view(
        pixels, np.zeros((100, 200), np.uint8), 50, larger, PLAIN, np.random.default_rng(4)
    )
    x0, y0, x1, y1 = roi.box_px
    assert (x1 - x0, y1 - y0) == pytest.approx((100, 50))
    assert roi.mask is not None and not roi.mask.any()
    assert roi.pixels[25, 0, 0] == pytest.approx(x0 + 0.5, abs=1.5)
    assert roi.pixels[25, -1, 0] == pytest.approx(x1 - 1.5, abs=1.5)


def test_shrinking_does_not_alias() -> None:
    board = ((np.indices((600, 600)).sum(axis=0) % 2) * 255).astype(np.uint8)
    pixels, mask = np.repeat(board[..., None], 3, axis=2), np.zeros((600, 600), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(5):
        turned = Motion(zoom=(0.8, 1.0), aspect=1, turn_deg=20)
        roi = views.view(pixels, mask, 100, turned, PLAIN, rng)
        assert roi.pixels.std() < 12


def test_without_dihedral_moves_up_stays_up() -> None:
    y = np.linspace(0, 250, 120).astype(np.uint8)
    pixels = np.repeat(np.tile(y[:, None], (1, 90))[..., None], 3, axis=2)
    mask, rng = np.zeros((120, 90), np.uint8), np.random.default_rng(1)
    for _ in range(20):
        roi = views.view(pixels, mask, 48, segmentation.MOTION, PLAIN, rng)
        assert roi.pixels[-6:].mean() > roi.pixels[:6].mean()
    tops = [
        float(roi.pixels[-6:].mean()) > float(roi.pixels[:6].mean())
        for roi in (views.view(pixels, mask, 48, polyp.MOTION, PLAIN, rng) for _ in range(20))
    ]
    assert 0 < sum(tops) < 20


def test_all_eight_ways_of_laying_a_square_occur() -> None:
    pixels, mask = scene(64, 64)
    lying = Motion(zoom=(1, 1), aspect=1, turn_deg=0, dihedral=True)
    rng = np.random.default_rng(0)
    seen = {views.view(pixels, mask, 64, lying, PLAIN, rng).pixels.tobytes() for _ in range(100)}
    turned = [np.rot90(pixels, k) for k in range(4)]
    ways = {np.ascontiguousarray(way).tobytes() for way in turned + [t[:, ::-1] for t in turned]}
    assert seen == ways


def test_a_mirrored_patch_says_so_and_back_again_is_itself() -> None:
    pixels, mask = scene(50, 70)
    roi = views.squeezed(pixels, mask, 32)
    turned = views.mirrored(roi)
    assert turned.mirrored and turned.box_px == roi.box_px
    assert turned.mask is not None and roi.mask is not None
    np.testing.assert_array_equal(turned.mask[:, ::-1], roi.mask)
    assert turned.pixels.flags.c_contiguous
    again = views.mirrored(turned)
    assert not again.mirrored
    np.testing.assert_array_equal(again.pixels, roi.pixels)
    assert views.mirrored(views.squeezed(pixels, None, 32)).mask is None
