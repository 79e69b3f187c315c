"""A label map in its image: fill, outline and number of each class, and the legend of areas."""

import numpy as np

from models.findings import Area, Labels, SegmentationFinding
from models.pictures import finding_picture
from models.pictures.marks import MASK_COLOURS
from tests.models.pictures.drawn import count, encoded, opened

LABELS = Labels(("nerve", "blood_vessel"))
IMAGE = np.full((400, 400, 3), 90, np.uint8)
MASK = np.zeros((400, 400), np.uint8)
MASK[50:150, 50:150] = 1
MASK[200:300, 200:350] = 2


def finding(mask: np.ndarray, labels: Labels, mm2: float | None = None) -> SegmentationFinding:
    areas = {}
    for index, name in enumerate(labels.names, start=1):
        pixels = int((mask == index).sum())
        size = None if mm2 is None else pixels * mm2
        areas[name] = Area(pixels, size, 0.96 if pixels else 0.0)
    return SegmentationFinding(encoded(mask), areas)


def test_each_class_is_filled_so_that_the_image_shows_through(written: list[str]) -> None:
    image = opened(finding_picture(IMAGE, finding(MASK, LABELS), LABELS))
    left = (image.width - 400) // 2
    for (x, y), colour in (((70, 70), MASK_COLOURS[0]), ((220, 220), MASK_COLOURS[1])):
        mixed = tuple(round(0.7 * 90 + 0.3 * part) for part in colour)
        assert image.getpixel((left + x, y)) == mixed
        assert count(image, colour) > 300
    assert image.getpixel((left + 20, 20)) == (90, 90, 90)
    assert written[:2] == ["1", "2"]


def test_the_legend_tells_area_and_score(written: list[str]) -> None:
    finding_picture(IMAGE, finding(MASK, LABELS, 0.0025), LABELS)
    assert "2 of 2 classes found" in written
    assert "25.0 mm², 10,000 px   score 0.96" in written
    assert "2  blood vessel" in written
    assert not any("spacing" in text for text in written)


def test_without_a_spacing_areas_are_in_pixels_and_said_to_be(written: list[str]) -> None:
    finding_picture(IMAGE, finding(MASK, LABELS), LABELS)
    assert "10,000 px   score 0.96" in written
    assert "areas in pixels of the input: its spacing is not known" in written


def test_a_class_that_is_not_there_is_named(written: list[str]) -> None:
    finding_picture(IMAGE, finding(MASK % 2, LABELS), LABELS)
    assert "1 of 2 classes found" in written
    assert "not found: blood vessel" in written


def test_an_empty_map_is_told_plainly(written: list[str]) -> None:
    image = opened(finding_picture(IMAGE, finding(MASK * 0, LABELS), LABELS))
    assert "nothing found" in written
    assert count(image, (90, 90, 90)) == 400 * 400


def test_the_only_class_needs_no_number(written: list[str]) -> None:
    lumen = Labels(("lumen",))
    finding_picture(IMAGE, finding(MASK % 2, lumen), lumen)
    assert written[:1] == ["lumen found"]
    assert "lumen" in written


def test_each_piece_of_a_class_has_its_number_and_specks_have_none(written: list[str]) -> None:
    mask = MASK % 2
    mask[200:300, 200:300] = 1
    mask[10:14, 10:14] = 1
    finding_picture(IMAGE, finding(mask, LABELS), LABELS)
    assert written.count("1") == 2


def test_a_slim_class_has_its_number_at_its_side(written: list[str]) -> None:
    mask = np.zeros((400, 400), np.uint8)
    mask[100:105, 50:200] = 1
    finding_picture(IMAGE, finding(mask, LABELS), LABELS)
    assert written.count("1") == 1


def test_a_long_legend_is_cut_and_says_so(written: list[str]) -> None:
    labels = Labels(tuple(f"organ_{k}" for k in range(1, 21)))
    mask = np.repeat(np.arange(20, dtype=np.uint8) + 1, 20)[None].repeat(400, axis=0)
    finding_picture(IMAGE, finding(mask, labels), labels)
    assert "and 8 more classes: see the reply" in written
    assert "20" in written  # its number is in the image all the same


def test_a_slim_structure_of_a_large_image_is_not_lost() -> None:
    mask = np.zeros((1080, 1920), np.uint8)
    mask[500:501, 100:1800] = 1
    labels = Labels(("wire",))
    image = opened(
        finding_picture(np.zeros((1080, 1920, 3), np.uint8), finding(mask, labels), labels)
    )
    assert count(image, MASK_COLOURS[0]) > 800
