"""Each layout recognises its own tree and no other, and says what became of every file."""

from dataclasses import replace

import pytest

from models.discovery import layouts
from models.layout import Item, Outline
from models.ledger import RejectedError
from tests.models.ingest.uploads import table
from tests.models.layouts.trees import fates, found, not_found


@pytest.mark.parametrize("layout", sorted(layouts()))
def test_every_layout_says_how_it_looks(layout: str) -> None:
    assert layouts()[layout].name == layout
    assert len(layouts()[layout].example.splitlines()) >= 3


def test_a_folder_is_a_label() -> None:
    result = found("class_folders", ["benign/a.png", "malignant/b.JPG"])
    assert [(item.files["image"], item.label, item.split) for item in result.items] == [
        ("benign/a.png", "benign", None),
        ("malignant/b.JPG", "malignant", None),
    ]


@pytest.mark.parametrize(
    ("word", "split"),
    [("train", "train"), ("Training", "train"), ("val", "validation"), ("valid", "validation"),
     ("validation", "validation"), ("TEST", "test")],
)  # fmt: skip
def test_a_split_folder_stands_above_the_labels(word: str, split: str) -> None:
    result = found("class_folders", [f"{word}/x/a.png", f"{word}/y/b.png"])
    assert [(item.label, item.split) for item in result.items] == [("x", split), ("y", split)]


@pytest.mark.parametrize(
    "names",
    [["a.png"], ["one/a.png", "one/b.png"], ["images/a.png", "masks/a.png"], ["x/y/z/a.png"],
     ["train/a.png", "test/b.png"], ["data/x/a.png", "data/y/b.png"], []],
)  # fmt: skip
def test_what_is_no_tree_of_labels_is_not_taken_for_one(names: list[str]) -> None:
    assert not_found("class_folders", names)


def test_files_beside_the_labels_are_named() -> None:
    result = found(
        "class_folders",
        ["x/a.png", "y/b.png", "c.png", "x/deep/d.png", "README.md", "LICENSE", "x/scan.dcm"],
    )
    assert fates(result) == {
        "c.png": ("excluded", "not_in_layout"),
        "x/deep/d.png": ("excluded", "not_in_layout"),
        "README.md": ("ignored", "document"),
        "LICENSE": ("ignored", "document"),
        "x/scan.dcm": ("excluded", "unknown_kind"),
    }


def test_images_and_masks_are_paired_by_stem() -> None:
    names = [
        "images/1.jpg", "images/2.png", "images/3_seg.png", "images/sub/4.png",
        "masks/1.png", "masks/2_mask.png", "masks/3_seg.png", "masks/sub/4_seg.png",
    ]  # fmt: skip
    result = found("image_mask_pairs", names)
    assert {item.files["image"]: item.files["mask"] for item in result.items} == dict(
        zip(names[:4], names[4:], strict=True)
    )
    assert result.entries == ()


def test_pairs_may_stand_below_split_folders() -> None:
    names = ["train/images/1.jpg", "train/masks/1.jpg", "val/images/1.jpg", "val/masks/1.jpg"]
    assert [item.split for item in found("image_mask_pairs", names).items] == [
        "train",
        "validation",
    ]


def test_pairs_may_hold_split_folders() -> None:
    names = ["images/train/1.jpg", "masks/train/1.png", "images/val/s/2.jpg", "masks/val/s/2.png",
             "images/test.jpg", "masks/test.png"]  # fmt: skip
    assert {item.files["image"]: item.split for item in found("image_mask_pairs", names).items} == {
        "images/train/1.jpg": "train",
        "images/val/s/2.jpg": "validation",
        "images/test.jpg": None,
    }


def test_what_has_no_partner_is_named() -> None:
    names = ["images/1.png", "images/2.png", "images/4.png", "images/4.jpg", "masks/1.png",
             "masks/3.png", "masks/4.png", "other/5.png"]  # fmt: skip
    result = found("image_mask_pairs", names)
    assert len(result.items) == 1
    assert fates(result) == {
        "images/2.png": ("excluded", "no_mask"),
        "masks/3.png": ("excluded", "mask_without_image"),
        "images/4.png": ("excluded", "ambiguous_pair"),
        "images/4.jpg": ("excluded", "ambiguous_pair"),
        "masks/4.png": ("excluded", "ambiguous_pair"),
        "other/5.png": ("excluded", "not_in_layout"),
    }


@pytest.mark.parametrize("names", [["images/1.png"], ["masks/1.png"], ["x/1.png"], []])
def test_one_half_of_a_pair_is_no_pair(names: list[str]) -> None:
    assert not_found("image_mask_pairs", names)


ROW = ("s/a.png", " benign ", "p1", "val", "0.06 0.07")
COLUMNS = ("file_name", "label", "subject", "split", "spacing_mm")
A = Item({"image": "s/a.png"}, "benign", "p1", "validation", (0.06, 0.07))


def sheet(*rows: tuple[str, ...], columns: tuple[str, ...] = COLUMNS) -> dict[str, bytes]:
    return {"metadata.csv": table(columns, *rows), "s/a.png": b"", "s/b.png": b""}


def test_a_row_says_all_that_is_known_of_an_image() -> None:
    result = found("metadata_csv", sheet(ROW))
    assert result.items == (A,)
    assert fates(result) == {
        "metadata.csv": ("used", None),
        "s/b.png": ("excluded", "not_listed"),
    }


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_is_read_as_any_spreadsheet_program_writes_it(
    encoding: str, delimiter: str
) -> None:
    text = table(("File_Name", "LABEL"), ("s/a.png", "gutartig"), delimiter=delimiter).decode()
    text = text.replace("gutartig", "bösartig").replace("\n", "\r\n") + "\r\n\r\n"
    result = found("metadata_csv", {"metadata.csv": text.encode(encoding), "s/a.png": b""})
    assert result.items == (Item({"image": "s/a.png"}, "bösartig"),)


@pytest.mark.parametrize("written", ["s\\a.png", "./s/a.png", "s//a.png"])
def test_a_row_may_write_a_path_in_any_manner(written: str) -> None:
    assert found("metadata_csv", sheet((written, *ROW[1:]))).items == (A,)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (("s/none.png", "x", "", "", ""), "missing_file"),
        (("../../etc/passwd", "x", "", "", ""), "missing_file"),
        (("s/a.png", "x", "", "trian", ""), "unknown_split"),
        (("s/a.png", "x", "", "", "wide"), "bad_spacing"),
        (("s/a.png", "x", "", "", "-1"), "bad_spacing"),
        (("s/a.png", "x", "", "", "nan"), "bad_spacing"),
        (("s/a.png", "x", "", "", "1 2 3"), "bad_spacing"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(row: tuple[str, ...], code: str) -> None:
    result = found("metadata_csv", sheet(row))
    assert result.items == ()
    assert fates(result)[row[0]] == ("excluded", code)


def test_a_row_twice_is_one_case_and_rows_that_disagree_are_none() -> None:
    assert found("metadata_csv", sheet(ROW, ROW)).items == (A,)
    result = found("metadata_csv", sheet(ROW, ("s/a.png", "malignant", "p1", "val", "")))
    assert result.items == ()
    assert fates(result)["s/a.png"] == ("excluded", "conflicting_rows")


def test_a_mask_is_a_file_of_the_archive() -> None:
    columns = ("file_name", "mask")
    result = found("metadata_csv", sheet(("s/a.png", "s/b.png"), columns=columns))
    assert result.items == (Item({"image": "s/a.png", "mask": "s/b.png"}),)
    assert fates(result) == {"metadata.csv": ("used", None)}
    lost = found("metadata_csv", sheet(("s/a.png", "s/c.png"), columns=columns))
    assert fates(lost)["s/a.png"] == ("excluded", "missing_mask")


@pytest.mark.parametrize(
    ("mask", "boxes", "expected"),
    [
        (
            "",
            "1 2 3 4; 5 6 7 8",
            {"outlines": (Outline(box=(1, 2, 3, 4)), Outline(box=(5, 6, 7, 8)))},
        ),
        ("", "[[1, 2, 3, 4]]", {"outlines": (Outline(box=(1, 2, 3, 4)),)}),
        ("", "[]", {"outlines": ()}),
        ("", "", {"outlines": (), "notes": ("empty_boxes",)}),
        ("s/b.png", "", {}),
        ("s/b.png", "1 2 3 4", {"outlines": (Outline(box=(1, 2, 3, 4)),)}),
    ],
)
def test_a_row_gives_a_mask_or_boxes_or_both(
    mask: str, boxes: str, expected: dict[str, object]
) -> None:
    quoted = f'"{boxes}"' if boxes.startswith("[") else boxes
    columns = ("file_name", "mask", "boxes")
    (item,) = found("metadata_csv", sheet(("s/a.png", mask, quoted), columns=columns)).items
    files = {"image": "s/a.png"} | ({"mask": mask} if mask else {})
    assert item == replace(Item(files), **expected)  # type: ignore[arg-type]


def test_a_row_that_breaks_off_before_its_boxes_has_an_empty_cell() -> None:
    columns = ("file_name", "boxes")
    assert found("metadata_csv", sheet(("s/a.png",), columns=columns)).items[0].outlines == ()


def test_boxes_that_cannot_be_read_are_a_flaw_that_a_class_task_does_not_mind() -> None:
    columns = ("file_name", "label", "boxes")
    (item,) = found("metadata_csv", sheet(("s/a.png", "x", "9 9 1 1"), columns=columns)).items
    assert (item.label, item.outlines) == ("x", None)
    assert item.flaw is not None and item.flaw[0] == "bad_box"


def test_a_table_in_a_split_folder_finds_its_masks_there() -> None:
    files = {
        "train/metadata.csv": table(("file_name", "mask"), ("i/a.png", "m/a.png")),
        "train/i/a.png": b"",
        "train/m/a.png": b"",
    }
    assert found("metadata_csv", files).items == (
        Item({"image": "train/i/a.png", "mask": "train/m/a.png"}, split="train"),
    )


def test_a_table_in_a_split_folder_speaks_of_that_folder() -> None:
    files = {
        "train/metadata.csv": table(("file_name", "label"), ("a.png", "x")),
        "train/a.png": b"",
        "val/metadata.csv": table(("file_name", "label"), ("d/b.png", "y")),
        "val/d/b.png": b"",
    }
    assert found("metadata_csv", files).items == (
        Item({"image": "train/a.png"}, "x", split="train"),
        Item({"image": "val/d/b.png"}, "y", split="validation"),
    )


def test_a_table_at_the_root_takes_the_split_from_the_folder_where_it_says_none() -> None:
    files = {
        "metadata.csv": table(("file_name", "label"), ("test/a.png", "x")),
        "test/a.png": b"",
    }
    assert found("metadata_csv", files).items == (
        replace(Item({"image": "test/a.png"}, "x"), split="test"),
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (table(("file_name", "subject"), ("a.png", "1")), "metadata_columns"),
        (table(("name", "label"), ("a.png", "1")), "metadata_columns"),
        (b"", "metadata_columns"),
        (table(("file_name", "label"), ("a.png", "x", "y")), "bad_metadata"),
        (b"file_name,label\n" + b"a" * 200_000 + b",x", "bad_metadata"),
    ],
)
def test_a_table_that_says_nothing_usable_refuses_the_upload(data: bytes, code: str) -> None:
    with pytest.raises(RejectedError) as caught:
        found("metadata_csv", {"metadata.csv": data, "a.png": b""})
    assert caught.value.problems[0]["code"] == code
    assert caught.value.problems[0]["file"] == "metadata.csv"


@pytest.mark.parametrize("names", [["x/a.png", "y/b.png"], ["x/metadata.csv", "x/a.png"], []])
def test_without_a_table_at_its_place_it_is_another_layout(names: list[str]) -> None:
    assert not_found("metadata_csv", names)
