"""What changes how a patch looks, and what that says of its mask."""

from dataclasses import replace

import numpy as np
import pytest

from models.imaging import looks
from models.imaging.looks import Look, recoloured
from models.tasks import polyp, segmentation

PLAIN = Look(brightness=0, contrast=1, gamma=1)
SIZE = 64


def patch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth colours as mucosa has, and a mask of everything."""
    y, x = np.mgrid[:SIZE, :SIZE]
    base = 110 + 50 * np.sin(x / 9 + seed) * np.cos(y / 11)
    pixels = np.clip(np.stack([base + 50, base, base - 30], axis=2), 0, 255).astype(np.uint8)
    return pixels, np.ones((SIZE, SIZE), np.uint8)


def test_nothing_drawn_is_nothing_changed() -> None:
    pixels, mask = patch()
    seen, truth = recoloured(pixels, mask, PLAIN, np.random.default_rng(0))
    np.testing.assert_array_equal(seen, pixels)
    np.testing.assert_array_equal(truth, mask)


@pytest.mark.parametrize("look", [polyp.LOOK, segmentation.LOOK], ids=["polyp", "segmentation"])
def test_a_look_is_its_seed_and_leaves_its_input_alone(look: Look) -> None:
    pixels, mask = patch()
    kept = pixels.copy(), mask.copy()
    for seed in range(30):
        one, other = (recoloured(pixels, mask, look, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
        assert one[0].dtype == one[1].dtype == np.uint8
        assert one[0].shape == (SIZE, SIZE, 3) and one[0].flags.c_contiguous
    np.testing.assert_array_equal(pixels, kept[0])
    np.testing.assert_array_equal(mask, kept[1])


@pytest.mark.parametrize(
    "changed",
    [
        {"brightness": 30.0}, {"contrast": 1.4}, {"gamma": 1.5}, {"saturation": 1.6},
        {"gain": 1.3}, {"hue_deg": 20.0}, {"blur": 1.0}, {"soft": 1.0}, {"noise": 1.0},
        {"jpeg": 1.0},
    ],
    ids=str,
)  # fmt: skip
def test_each_change_is_seen_and_none_of_them_touches_the_mask(changed: dict[str, float]) -> None:
    pixels, mask = patch()
    look = replace(PLAIN, **changed)
    differences = []
    for seed in range(10):
        seen, truth = recoloured(pixels, mask, look, np.random.default_rng(seed))
        differences.append(np.abs(seen.astype(int) - pixels).mean())
        np.testing.assert_array_equal(truth, mask)
    assert 0.02 < np.mean(differences) < 40


def test_grey_stays_grey_under_hue_and_saturation() -> None:
    grey = np.full((SIZE, SIZE, 3), 90, np.uint8)
    look = replace(PLAIN, hue_deg=40.0, saturation=2.0)
    seen, _ = recoloured(grey, grey[..., 0], look, np.random.default_rng(1))
    assert np.abs(seen.astype(int) - 90).max() <= 1


def test_a_black_surround_and_an_overlay_hide_what_was_there_and_the_mask_says_so() -> None:
    pixels, mask = patch()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        seen, truth = looks._surrounded(pixels, mask, rng)
        np.testing.assert_array_equal(seen[truth == 1], pixels[truth == 1])
        assert (seen[truth == 0] < 24).all()
        assert 0.3 < truth.mean() <= 1
        seen, truth = looks._overlaid(pixels, mask, rng)
        covered = truth == 0
        assert covered.mean() < 0.15
        assert not covered[SIZE // 2, SIZE // 2]


def test_light_and_reflexes_hide_nothing() -> None:
    pixels, _ = patch()
    rng = np.random.default_rng(0)
    dim = [looks._lit(pixels, rng).mean() / pixels.mean() for _ in range(20)]
    assert min(dim) > 0.3 and max(dim) < 1.25
    bright = looks._glinting(pixels, rng)
    assert (bright >= pixels).all() and (bright > pixels).any()
