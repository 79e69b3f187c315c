"""A case with its truth drawn in: classes by name, boxes, what is not known, and nothing."""

import numpy as np
import pytest

from models.case import UNKNOWN, Case
from models.findings import Labels
from models.pictures import case_preview
from models.pictures.marks import GREY, MASK_COLOURS, YELLOW
from tests.models.pictures.drawn import count, opened

GROUND = np.full((400, 400, 3), 90, np.uint8)
LABELS = Labels(("nerve", "vessel"))
MASK = np.zeros((400, 400), np.uint8)
MASK[100:300, 100:300] = 1


def test_a_mask_is_outlined_and_its_inside_left_alone() -> None:
    image = opened(case_preview(Case("case_000001", "secret", GROUND, "polyp", MASK)))
    assert image.getpixel((200, 200)) == (90, 90, 90)
    assert image.getpixel((200, 100)) == (230, 159, 0)


def test_a_preview_of_a_case_tells_its_label_and_not_its_subject() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    one, other = (case_preview(Case("c", subject, pixels, "polyp")) for subject in ("a", "b"))
    assert one == other
    assert one != case_preview(Case("c", "a", pixels, "normal"))


def test_a_class_has_its_name_where_names_are_given(written: list[str]) -> None:
    case_preview(Case("c", "s", GROUND, mask=MASK), LABELS)
    assert written[0] == "nerve"
    case_preview(Case("c", "s", GROUND, mask=MASK))
    assert "class 1" in written


def test_names_follow_the_values_that_were_uploaded(written: list[str]) -> None:
    mask = np.zeros((400, 400), np.uint8)
    mask[20:150, 20:150], mask[200:390, 200:390] = 40, 200
    image = opened(
        case_preview(Case("c", "s", GROUND, mask=mask), Labels(LABELS.names, None, (40, 200)))
    )
    assert written[:4] == ["1", "2", "1  nerve", "2  vessel"]
    assert count(image, MASK_COLOURS[0]) > 300 and count(image, MASK_COLOURS[1]) > 300


def test_a_value_of_no_class_is_said_to_be_one(written: list[str]) -> None:
    case_preview(Case("c", "s", GROUND, mask=MASK * 7), LABELS)
    assert "7  no class has this value" in written


def test_what_nobody_spoke_for_is_striped_and_never_a_class(written: list[str]) -> None:
    mask = MASK.copy()
    mask[mask == 1] = UNKNOWN
    image = opened(case_preview(Case("c", "s", GROUND, mask=mask), LABELS))
    assert not any(count(image.crop((0, 0, 400, 400)), colour) for colour in MASK_COLOURS)
    assert count(image, GREY) > 100
    assert written[:2] == ["unknown", "nothing else there"]


def test_boxes_are_drawn_and_counted(written: list[str]) -> None:
    boxes = ((50.0, 50.0, 120.0, 90.0), (200.0, 200.0, 350.0, 380.0))
    image = opened(case_preview(Case("c", "s", GROUND, boxes=boxes)))
    assert "2 boxes" in written
    assert image.getpixel((49, 70)) == YELLOW and image.getpixel((300, 380)) == YELLOW
    assert image.getpixel((80, 70)) == (90, 90, 90)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (Case("c", "s", GROUND, boxes=()), "nothing there"),
        (Case("c", "s", GROUND, mask=MASK * 0), "nothing there"),
        (Case("c", "s", GROUND), "no truth given"),
        (Case("c", "s", GROUND, label="benign"), "label: benign"),
    ],
)
def test_where_nothing_is_drawn_the_reason_is_told(
    case: Case, said: str, written: list[str]
) -> None:
    case_preview(case, LABELS)
    assert written[0] == said


def test_a_legend_of_many_classes_takes_as_many_lines_as_it_needs() -> None:
    labels = Labels(tuple(f"a_rather_long_name_{k}" for k in range(1, 21)))
    mask = np.repeat(np.arange(20, dtype=np.uint8) + 1, 20)[None].repeat(400, axis=0)
    many = opened(case_preview(Case("c", "s", GROUND, mask=mask), labels))
    one = opened(case_preview(Case("c", "s", GROUND, mask=MASK), labels))
    assert many.width == one.width and many.height > one.height + 150


def test_lines_of_a_wall_are_drawn_and_named(written: list[str]) -> None:
    columns = np.arange(20.0, 380.0)
    lines = tuple(np.column_stack([columns, np.full(360, y)]) for y in (200.0, 212.0))
    upper, lower = lines
    case = Case("a", "b", np.zeros((400, 400, 3), np.uint8), lines=(upper, lower))
    image = np.array(opened(case_preview(case)))
    assert image[200, 200].argmin() == 2 and image[200, 200].max() > 150  # yellow
    assert image[212, 200].argmax() == 2 and image[212, 200].max() > 150  # blue
    assert not image[206, 200].any()
    assert "lumen-intima" in written and "media-adventitia" in written
    assert "nothing there" not in written and "no truth given" not in written


def test_readers_are_drawn_below_what_is_taken_for_true(written: list[str]) -> None:
    columns = np.arange(20.0, 380.0)
    upper, lower, odd = (np.column_stack([columns, np.full(360, y)]) for y in (200.0, 212.0, 190.0))
    readers = {"A1": (upper, lower), "A2": (odd, lower)}
    case = Case(
        "a", "b", np.zeros((400, 400, 3), np.uint8), lines=(upper, lower), readers=readers,
        spacing_mm=(0.06, 0.06),
    )  # fmt: skip
    image = np.array(opened(case_preview(case))).astype(int)
    assert 50 < image[190, 200].max() < image[200, 200].max()
    assert "2 readers, paler" in written and "0.06 mm a row" in written
