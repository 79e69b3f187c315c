"""From a network's maps to a label map of the case, and back from a pack's mask."""

import base64
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from models.case import Case, Roi
from models.imaging import label_maps
from models.imaging.plain import png

NOTHING = np.zeros((0, 0, 3), np.uint8)
WHOLE = (0.0, 0.0, 30.0, 20.0)


def one_hot(mask: np.ndarray, classes: int) -> np.ndarray:
    return np.stack([mask == k for k in range(classes + 1)]).astype(np.float32)


def test_a_packs_mask_keeps_its_values() -> None:
    mask = np.array([[0, 1, 38], [255, 254, 0]] * 6, np.uint8)
    np.testing.assert_array_equal(label_maps.read(png(mask)), mask)
    binary = np.array([[0, 255], [255, 0]], np.uint8)  # not taken for 0 and 1: nothing is guessed
    np.testing.assert_array_equal(label_maps.read(png(binary)), binary)


@pytest.mark.parametrize(
    "data", [b"no picture", png(np.zeros((4, 4, 3), np.uint8) + np.uint8([1, 2, 3]))]
)
def test_what_is_no_packs_mask_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="one-channel 8-bit PNG"):
        label_maps.read(data)


def test_the_cases_shape_is_known_without_its_pixels() -> None:
    rois = [Roi(NOTHING, WHOLE)]
    assert label_maps.shape_of(Case("c", "s", NOTHING), rois) == (20, 30)
    mask = np.zeros((40, 60), np.uint8)
    assert label_maps.shape_of(Case("c", "s", NOTHING, mask=mask), rois) == (40, 60)


def test_views_are_averaged_with_the_mirror_undone() -> None:
    view = np.zeros((2, 4, 4), np.float32)
    view[1, :, 0] = 0.8  # seen at the left, and at the right of the mirror image
    other = np.zeros((2, 4, 4), np.float32)
    other[1, :, 3] = 0.4
    rois = [Roi(NOTHING, WHOLE), Roi(NOTHING, WHOLE, mirrored=True)]
    found = label_maps.pooled(rois, np.stack([view, other]))
    assert found[1, 0].tolist() == pytest.approx([0.6, 0, 0, 0])
    assert found.dtype == np.float32


def test_the_most_probable_class_wins_after_resizing() -> None:
    mask = np.zeros((16, 16), np.uint8)
    mask[4:12, 2:8], mask[4:12, 9:14] = 1, 2
    found, best = label_maps.labelled(one_hot(mask, 2), (32, 48))
    assert found.shape == best.shape == (32, 48)
    wanted = cv2.resize(mask, (48, 32), interpolation=cv2.INTER_NEAREST_EXACT)
    assert (found == wanted).mean() > 0.95
    assert best.min() >= 1 / 3
    assert best[wanted == found].mean() > 0.9


def test_bilinear_is_of_probabilities_not_of_classes() -> None:
    """Between background and class 2 there is no class 1."""
    columns = np.array([0, 0, 2, 2], np.uint8)
    found, _ = label_maps.labelled(one_hot(np.tile(columns, (4, 1)), 2), (40, 40))
    assert set(np.unique(found)) == {0, 2}


def test_ties_go_to_the_lower_class() -> None:
    even = np.full((3, 4, 4), 1 / 3, np.float32)
    found, best = label_maps.labelled(even, (4, 4))
    assert not found.any()
    assert best == pytest.approx(1 / 3)


def test_the_png_is_one_channel_and_a_pixel_is_a_class() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[3:9, 4:11], mask[12, 5] = 1, 2
    data = base64.b64decode(label_maps.png_base64(mask))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (30, 20))
        np.testing.assert_array_equal(np.asarray(image), mask)
