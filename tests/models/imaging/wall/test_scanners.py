"""Another scanner's picture of the same wall: other light and grain, the same place."""

import numpy as np

from models.imaging.wall.scanners import faded, rescanned
from tests.models.imaging.wall.pictures import frame


def patches() -> list[np.ndarray]:
    pixels, _ = frame(height=224, width=224, far=120)
    return [rescanned(pixels, np.random.default_rng(seed)) for seed in range(40)]


def test_the_wall_stays_where_it_is() -> None:
    """The rise from lumen to adventitia, rows 110 to 140, is steepest where it was."""
    for seen in patches():
        rows = seen[..., 0].astype(float).mean(axis=1)
        assert abs(np.argmax(np.diff(rows[100:150])) + 101 - 131) <= 2


def test_pictures_differ_and_stay_grey() -> None:
    found = patches()
    assert len({seen.tobytes() for seen in found}) == len(found)
    for seen in found:
        assert seen.shape == (224, 224, 3) and seen.dtype == np.uint8
        np.testing.assert_array_equal(seen[..., 0], seen[..., 2])


def test_a_picture_is_its_seed() -> None:
    pixels, _ = frame(height=64, width=64, far=40)
    one, other = (rescanned(pixels, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_where_the_intima_fades_only_the_wall_is_darker_and_only_in_a_stretch() -> None:
    pixels, _ = frame(height=224, width=224, far=120, noise=0)
    mask = np.zeros((224, 224), np.uint8)
    mask[120:131] = 2
    shares = []
    for seed in range(40):
        seen = faded(pixels, mask, np.random.default_rng(seed))
        assert (seen <= pixels).all()
        far = np.abs(np.arange(224) - 125) > 12
        np.testing.assert_array_equal(seen[far], pixels[far])
        shares.append(float((seen[125, :, 0] < 0.9 * pixels[125, :, 0]).mean()))
    assert 0.4 < np.mean(np.array(shares) == 0) < 0.9 and 0 < max(shares) < 0.7
