"""YOLO texts belong to the images of their stem; no line that cannot be read is passed over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.layout import Item, Outline
from tests.models.layouts.trees import Files, fates, found, not_found

LINE = b"0 0.5 0.5 0.2 0.4\n"
BOX = Outline("0", (0.4, 0.3, 0.6, 0.7), relative=True)


def one(text: bytes, **others: bytes) -> Item:
    files = {"images/a.png": b"", "labels/a.txt": text}
    files |= {name.replace("_", "."): data for name, data in others.items()}
    (item,) = found("yolo", files).items
    return item


@pytest.mark.parametrize(
    ("image", "text", "split"),
    [
        ("images/a.png", "labels/a.txt", None),
        ("images/sub/a.png", "labels/sub/a.txt", None),
        ("train/images/a.png", "train/labels/a.txt", "train"),
        ("valid/images/a.jpg", "valid/labels/a.txt", "validation"),
        ("images/train/a.png", "labels/train/a.txt", "train"),
        ("Images/Val/x/a.b.png", "Labels/Val/x/a.b.txt", "validation"),
    ],
)
def test_a_text_has_the_stem_of_its_image_in_whatever_part(
    image: str, text: str, split: str | None
) -> None:
    result = found("yolo", {image: b"", text: LINE})
    (item,) = result.items
    assert (item.files, item.split) == ({"image": image, "outlines": text}, split)
    assert result.entries == ()


def test_boxes_and_polygons_are_fractions_of_the_image() -> None:
    item = one(LINE + b"\n1 0.1 0.1 0.3 0.1 0.3 0.4\r\n")
    assert item.outlines is not None and item.flaw is None
    box, polygon = item.outlines
    assert (box.name, box.box) == ("0", pytest.approx(BOX.box))
    assert polygon == Outline("1", None, ((0.1, 0.1, 0.3, 0.1, 0.3, 0.4),), relative=True)


def test_an_empty_text_says_that_nothing_is_there() -> None:
    for text in (b"", b" \n\n"):
        item = one(text)
        assert (item.outlines, item.notes, item.flaw) == ((), (), None)


def test_a_missing_text_among_others_says_so_too_and_is_noted() -> None:
    result = found("yolo", {"images/a.png": b"", "labels/a.txt": LINE, "images/b.png": b""})
    assert result.items[1] == Item({"image": "images/b.png"}, outlines=(), notes=("no_label_file",))


def test_a_part_without_any_text_is_not_labelled() -> None:
    files = {"train/images/a.png": b"", "train/labels/a.txt": LINE, "test/images/b.png": b""}
    result = found("yolo", files)
    assert len(result.items) == 1
    assert fates(result) == {"test/images/b.png": ("excluded", "no_labels")}


def test_what_belongs_to_no_case_is_named() -> None:
    files = {
        "images/a.png": b"", "labels/a.txt": LINE, "labels/b.txt": LINE, "images/c.png": b"",
        "images/c.jpg": b"", "labels/c.txt": LINE, "d.png": b"", "images/e.mp4": b"",
        "readme.txt": b"", "labels/f.png": b"",
    }  # fmt: skip
    result = found("yolo", files)
    assert len(result.items) == 1
    assert fates(result) == {
        "labels/b.txt": ("excluded", "labels_without_image"),
        "images/c.png": ("excluded", "ambiguous_pair"),
        "images/c.jpg": ("excluded", "ambiguous_pair"),
        "labels/c.txt": ("excluded", "ambiguous_pair"),
        "d.png": ("excluded", "not_in_layout"),
        "images/e.mp4": ("excluded", "unknown_kind"),
        "readme.txt": ("ignored", "document"),
        "labels/f.png": ("excluded", "not_in_layout"),
    }


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"0 0.5 0.5 0.2", "line 2: 4 numbers"),
        (b"0 0.5 0.5 0.2 0.4 0.9", "6 numbers"),
        (b"0 0.5 0.5 0.2 0.4 0.9 0.1 0.1", "8 numbers"),
        (b"polyp 0.5 0.5 0.2 0.4", "'polyp 0.5 0.5 0.2 0.4' is not a line of numbers"),
        (b"0,0.5,0.5,0.2,0.4", "is not a line of numbers"),
        (b"\xff\xfe", "is not a line of numbers"),
        (b"-1 0.5 0.5 0.2 0.4", "class -1; use whole numbers"),
        (b"0.5 0.5 0.5 0.2 0.4", "class 0.5"),
        (b"nan 0.5 0.5 0.2 0.4", "class nan"),
        (b"0 320 240 64 96", "320 is no fraction of the image: use 0 to 1, not pixels"),
        (b"0 0.5 0.5 0.2 1.2", "1.2 is no fraction"),
        (b"0 nan 0.5 0.2 0.4", "nan is no fraction"),
        (b"0 0.5 0.5 -0.02 0.4", "a width of -0.02"),
        (b"0 0.1 0.1 0.3 0.1 0.3 44", "44 is no fraction"),
    ],
)
def test_a_line_that_cannot_be_read_is_the_flaw_of_the_case(line: bytes, words: str) -> None:
    item = one(LINE + line)
    assert item.flaw is not None and item.outlines is None
    assert item.flaw[0] == "bad_label"
    assert item.flaw[1].startswith("line 2: ") and words in item.flaw[1]


def test_what_is_slightly_beyond_the_image_is_left_for_it_to_clip() -> None:
    assert one(b"0 1.01 -0.02 0.1 0.1").flaw is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("data.yaml", b"nc: 2\nnames: ['tool', 'polyp']"),
        ("data.yaml", b"train: ../x\nnames:\n  0: tool\n  1: polyp\n"),
        ("data.yml", b"names: [tool, polyp]"),
        ("classes.txt", b"tool\npolyp\n"),
        ("labels/classes.txt", b"tool\r\npolyp"),
        ("obj.names", b"tool\npolyp"),
    ],
)
def test_names_are_read_where_tools_write_them(name: str, data: bytes) -> None:
    files = {"images/a.png": b"", "labels/a.txt": b"1 0.5 0.5 0.2 0.4", name: data}
    result = found("yolo", files)
    assert result.classes == ("tool", "polyp")
    assert [o.name for o in result.items[0].outlines or ()] == ["polyp"]
    assert fates(result)[name] == ("used", None)


def test_a_class_beyond_the_names_is_a_flaw() -> None:
    item = one(b"2 0.5 0.5 0.2 0.4", classes_txt=b"tool\npolyp")
    assert item.flaw == (
        "bad_label",
        "line 1: class 2; classes.txt names 2 (tool, polyp), counted from 0",
    )


@pytest.mark.parametrize(
    "data",
    [b"names: [", b"names: 3", b"names: [[1]]", b"names: {a: b}", b"names: !!python/object:x {}",
     b"names: []", b"[" * 5000, b"names: &a [*a]"],
)  # fmt: skip
def test_names_that_cannot_be_read_are_said_and_numbers_stay(data: bytes) -> None:
    files = {"images/a.png": b"", "labels/a.txt": LINE, "data.yaml": data}
    result = found("yolo", files)
    assert [warning["code"] for warning in result.warnings] == ["bad_class_names"]
    assert [o.name for o in result.items[0].outlines or ()] == ["0"]


@pytest.mark.parametrize(
    ("written", "name"),
    [(b"yes", "yes"), (b"1", "1"), (b"null", "null"), (b"2020-99-99", "2020-99-99"),
     (b"0x" + b"f" * 5000, "0x" + "f" * 198)],
)  # fmt: skip
def test_a_name_is_the_text_that_is_written_whatever_yaml_makes_of_it(
    written: bytes, name: str
) -> None:
    files = {"images/a.png": b"", "labels/a.txt": LINE, "data.yaml": b"names: [" + written + b"]"}
    assert found("yolo", files).classes == (name,)


@pytest.mark.parametrize("data", [b"a: 1", b"", b"- 1", b"#" * 2**21])
def test_yaml_about_something_else_names_nothing(data: bytes) -> None:
    files = {"images/a.png": b"", "labels/a.txt": LINE, "data.yaml": data}
    assert (found("yolo", files).classes, found("yolo", files).warnings) == ((), ())


@pytest.mark.parametrize(
    "files",
    [["images/a.png"], ["labels/a.txt"], ["images/a.png", "labels/b.txt"], ["a.png", "a.txt"],
     ["data/images/a.png", "data/labels/a.txt"], ["images/a.png", "labels/classes.txt"], []],
)  # fmt: skip
def test_without_a_text_for_an_image_it_is_another_layout(files: Files) -> None:
    assert not_found("yolo", files)


@given(
    st.binary(max_size=30) | st.text("0123456789.- e\n", max_size=30).map(str.encode),
    st.binary(max_size=30),
)
def test_no_bytes_whatever_break_the_door(text: bytes, names: bytes) -> None:
    files = {"images/a.png": b"", "labels/a.txt": text, "data.yaml": b"names: " + names}
    (item,) = found("yolo", files).items
    assert (item.flaw is None) == (item.outlines is not None)
