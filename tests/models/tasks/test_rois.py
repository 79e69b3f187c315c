"""The road from pixels to patches, where the two class tasks differ."""

import numpy as np
import pytest

from models.case import Case, Pixels
from models.discovery import tasks
from models.tasks import classification

QUALITY, CLASSIFICATION = tasks()["frame_quality"], tasks()["classification"]


def case(pixels: Pixels) -> Case:
    return Case("case_000001", "s", pixels)


def frame(height: int, width: int) -> Case:
    """Red is x, green is y, so that a patch says where it was cut."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1)
    return case(np.stack([red, green, np.full_like(red, 128)], axis=-1).astype(np.uint8))


@pytest.mark.parametrize(
    ("height", "width", "crops"), [(350, 500, 6), (240, 320, 6), (1080, 1920, 6), (300, 300, 4)]
)
def test_the_crops_of_a_frame_cover_it(height: int, width: int, crops: int) -> None:
    seen = np.zeros((height, width), bool)
    found = list(QUALITY.rois(frame(height, width), 32, None))
    for roi in found:
        x0, y0, x1, y1 = (int(edge) for edge in roi.box_px)
        seen[y0:y1, x0:x1] = True
    assert seen.all()
    assert len(found) == crops


def test_a_crop_of_the_papers_frame_is_227_pixels() -> None:
    (x0, y0, x1, y1), *_ = (roi.box_px for roi in QUALITY.rois(frame(350, 500), 32, None))
    assert (x1 - x0, y1 - y0) == (227, 227)


def test_a_random_crop_of_a_frame_keeps_its_scale_and_is_mirrored() -> None:
    rng = np.random.default_rng(0)
    rising = set()
    for _ in range(40):
        (roi,) = QUALITY.rois(frame(350, 500), 32, rng)
        x0, y0, x1, y1 = roi.box_px
        assert (x1 - x0, y1 - y0) == (227, 227)
        patch = roi.pixels.astype(int)
        rising.add((patch[0, -1, 0] > patch[0, 0, 0], patch[-1, 0, 1] > patch[0, 0, 1]))
    assert len(rising) == 4  # left and right, up and down


def test_serving_sees_the_whole_image() -> None:
    (roi,) = CLASSIFICATION.rois(frame(90, 160), 30, None)
    assert roi.box_px == (0, 0, 160, 90)
    np.testing.assert_allclose(roi.pixels[0, 0, :2], [3, 3], atol=4)
    np.testing.assert_allclose(roi.pixels[-1, -1, :2], [252, 252], atol=4)


def test_a_training_view_is_mild_and_never_upside_down() -> None:
    rng = np.random.default_rng(0)
    mirrored = set()
    for _ in range(40):
        (roi,) = CLASSIFICATION.rois(frame(90, 160), 30, rng)
        x0, y0, x1, y1 = roi.box_px
        assert x1 - x0 >= 0.8 * 160 - 1e-6 and y1 - y0 >= 0.8 * 90 - 1e-6
        patch = roi.pixels.astype(int)
        mirrored.add(bool(patch[15, -3, 0] > patch[15, 2, 0]))
        assert patch[-3, 15, 1] > patch[2, 15, 1]
    assert mirrored == {True, False}


def test_an_unturned_full_view_is_the_serving_patch() -> None:
    """The training road with nothing drawn is the serving road, to within its interpolation."""
    smooth = frame(120, 90)
    training = classification._warped(smooth.pixels, 60, (0.0, 0.0, 90.0, 120.0), 0.0)
    (serving,) = CLASSIFICATION.rois(smooth, 60, None)
    np.testing.assert_allclose(training.astype(int), serving.pixels.astype(int), atol=3)
