"""COCO files are read wherever tools put them, and every odd line of them has an outcome."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.discovery import layouts, tasks
from models.door.naming import Naming
from models.door.truth import TruthError, from_outlines
from models.layout import Item, Outline, Runs
from tests.models.layouts.trees import Files, fates, found, not_found, refusal, tree

BOX = Outline("polyp", (10, 20, 40, 60))
POLYGON = [10, 20, 40, 20, 40, 60]


def image(key: Any = 1, name: str = "a.png", **more: Any) -> dict[str, Any]:
    return {"id": key, "file_name": name, **more}


def annotation(image_id: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": 7, "image_id": image_id, "category_id": 1, "bbox": [10, 20, 30, 40], **more}


def coco(
    images: list[Any] | None = None,
    annotations: list[Any] | None = None,
    categories: list[Any] | None = None,
) -> bytes:
    return json.dumps(
        {
            "images": [image()] if images is None else images,
            "annotations": [annotation()] if annotations is None else annotations,
            "categories": [{"id": 1, "name": "polyp"}] if categories is None else categories,
        }
    ).encode()


def one(table: bytes, *others: str) -> Item:
    """The item of a.png in a tree with this table."""
    files = {"annotations.json": table, "a.png": b"", **dict.fromkeys(others, b"")}
    (item,) = [i for i in found("coco", files).items if i.files["image"] == "a.png"]
    return item


@pytest.mark.parametrize(
    ("table", "name", "split"),
    [
        ("annotations.json", "a.png", None),
        ("annotations.json", "images/a.png", None),
        ("anything.json", "images/sub/a.png", None),
        ("_annotations.coco.json", "a.png", None),
        ("train/_annotations.coco.json", "train/a.png", "train"),
        ("valid/_annotations.coco.json", "valid/images/a.png", "validation"),
        ("annotations/instances_train.json", "train/a.png", "train"),
        ("annotations/instances_val2017.json", "val2017/a.png", "validation"),
        ("annotations/instances_test.json", "images/a.png", "test"),
        ("annotations/instances_default.json", "images/train/a.png", "train"),
        ("images/annotations.json", "images/a.png", None),
    ],
)
def test_a_table_and_its_images_are_found_where_tools_put_them(
    table: str, name: str, split: str | None
) -> None:
    result = found("coco", {table: coco(), name: b""})
    assert result.items == (Item({"image": name}, split=split, outlines=(BOX,)),)
    assert result.classes == ("polyp",)
    assert fates(result) == {table: ("used", None)}


@pytest.mark.parametrize(
    "written",
    ["a.png", "images/a.png", "./images/a.png", "images\\a.png", "/home/me/set/images/a.png",
     "C:\\set\\images\\a.png", "../images/a.png", "other/a.png"],
)  # fmt: skip
def test_a_path_of_another_machine_is_no_obstacle(written: str) -> None:
    files = {"annotations.json": coco([image(name=written)]), "images/a.png": b""}
    assert [item.files["image"] for item in found("coco", files).items] == ["images/a.png"]


def test_the_same_name_in_every_part_is_told_apart_by_the_part() -> None:
    files = {
        "annotations/instances_train.json": coco(),
        "annotations/instances_val.json": coco(annotations=[]),
        "images/train/a.png": b"",
        "images/val/a.png": b"",
    }
    items = {item.files["image"]: item for item in found("coco", files).items}
    assert items["images/train/a.png"].outlines == (BOX,)
    assert items["images/val/a.png"].outlines == ()
    assert items["images/val/a.png"].split == "validation"


def test_a_name_that_may_be_any_of_several_files_is_nobodys() -> None:
    files = {"annotations.json": coco(), "one/a.png": b"", "two/a.png": b""}
    assert fates(found("coco", files)) == {
        "annotations.json": ("used", None),
        "a.png": ("excluded", "ambiguous_file"),
        "one/a.png": ("excluded", "not_listed"),
        "two/a.png": ("excluded", "not_listed"),
    }


def test_a_file_of_another_part_is_not_taken_for_the_one_that_is_listed() -> None:
    files = {"annotations.json": coco([image(name="train/a.png")]), "val/a.png": b""}
    assert fates(found("coco", files))["train/a.png"] == ("excluded", "missing_file")


def test_what_is_not_listed_and_what_is_not_there_are_named() -> None:
    table = coco([image(), image(2, "gone.png")])
    files = {
        "annotations.json": table,
        "a.png": b"",
        "b.png": b"",
        "clip.mp4": b"",
        "note.txt": b"",
    }
    assert fates(found("coco", files)) == {
        "annotations.json": ("used", None),
        "gone.png": ("excluded", "missing_file"),
        "b.png": ("excluded", "not_listed"),
        "clip.mp4": ("excluded", "unknown_kind"),
        "note.txt": ("ignored", "document"),
    }


def test_an_image_without_annotations_shows_nothing_and_that_is_noted() -> None:
    item = one(coco(annotations=[]))
    assert (item.outlines, item.notes) == ((), ("no_annotations",))


def test_sizes_polygons_and_runs_are_kept() -> None:
    rows = [
        annotation(segmentation=[POLYGON, [1, 1, 2, 2, 3, 3]]),
        annotation(bbox=None, segmentation={"size": [8, 9], "counts": [2, 3, 67]}),
        annotation(bbox=[0, 0, 1, 1], segmentation={"size": [8, 9], "counts": "23U1"}, iscrowd=1),
        annotation(bbox=[0, 0, 2, 2], segmentation=POLYGON),  # a flat list, as some write it
        annotation(bbox=[0, 0, 3, 3], segmentation=[]),
        annotation(bbox=[0, 0, 4, 4], segmentation=[[1, 2, 3, 4]]),  # two points are no region
    ]
    item = one(coco([image(width=9, height=8)], rows))
    flat = tuple(map(float, POLYGON))
    assert item.outlines == (
        Outline("polyp", (10, 20, 40, 60), (flat, (1, 1, 2, 2, 3, 3))),
        Outline("polyp", None, (), Runs(8, 9, (2, 3, 67))),
        Outline("polyp", (0, 0, 1, 1), (), Runs(8, 9, "23U1")),
        Outline("polyp", (0, 0, 2, 2), (flat,)),
        Outline("polyp", (0, 0, 3, 3)),
        Outline("polyp", (0, 0, 4, 4)),
    )
    assert (item.drawn_on_px, item.notes) == ((9, 8), ("crowd_regions",))


@pytest.mark.parametrize("sides", [{"width": 9}, {"width": "9", "height": "8"}, {"width": 0}])
def test_an_image_whose_size_is_not_said_is_of_any_size(sides: dict[str, Any]) -> None:
    assert one(coco([image(**sides)])).drawn_on_px is None


BAD: list[tuple[dict[str, Any], str, str]] = [
    (
        {"bbox": [1, 2, 3]},
        "bad_annotation",
        "annotation 7: bbox [1, 2, 3] is no x, y, width, height",
    ),
    ({"bbox": [1, 2, -3, 4]}, "bad_annotation", "[1, 2, -3, 4]"),
    ({"bbox": "1 2 3 4"}, "bad_annotation", '"1 2 3 4"'),
    ({"bbox": [1, 2, float("nan"), 4]}, "bad_annotation", "NaN"),
    ({"bbox": None}, "bad_annotation", "bbox null"),
    ({"bbox": [1, 2, 3, 10**400]}, "bad_annotation", "no x, y, width, height"),
    ({"bbox": [], "segmentation": [["x"]]}, "bad_annotation", "bbox []"),
    ({"category_id": 2}, "unknown_category", "category '2'; listed are 1 polyp"),
    ({"category_id": None}, "unknown_category", "category ''"),
]


@pytest.mark.parametrize(("more", "code", "words"), BAD)
def test_an_annotation_that_cannot_be_read_is_the_flaw_of_its_image(
    more: dict[str, Any], code: str, words: str
) -> None:
    """Something is there, and nobody knows where: taught as background it would do harm."""
    item = one(coco(annotations=[annotation(bbox=[0, 0, 5, 5]), annotation(**more)]))
    assert item.flaw is not None
    assert item.flaw[0] == code
    assert words in item.flaw[1]


def test_a_box_of_no_size_is_left_for_the_image_to_judge() -> None:
    assert one(coco(annotations=[annotation(bbox=[5, 5, 0, 0])])).flaw is None


def test_two_images_with_one_id_have_nobodys_annotations() -> None:
    table = coco([image(), image(1, "b.png"), image(2, "c.png")])
    result = found("coco", {"annotations.json": table, "a.png": b"", "b.png": b"", "c.png": b""})
    flaws = {item.files["image"]: item.flaw and item.flaw[0] for item in result.items}
    assert flaws == {"a.png": "duplicate_id", "b.png": "duplicate_id", "c.png": None}


def test_an_image_listed_twice_with_the_same_annotations_is_one_case() -> None:
    assert one(coco([image(), image()], [annotation()])).outlines == (BOX,)


def test_an_image_listed_twice_with_different_annotations_is_left_out() -> None:
    result = found("coco", {"a.png": b"", "annotations.json": coco([image(), image(2)])})
    assert result.items == ()
    assert fates(result)["a.png"] == ("excluded", "conflicting_annotations")


def test_ids_are_the_same_as_number_and_as_text() -> None:
    assert one(coco([image("1")], [annotation(1)], [{"id": "1", "name": "x"}])).outlines == (
        Outline("x", BOX.box),
    )


def test_annotations_of_no_image_are_counted_and_named_in_the_line_of_their_file() -> None:
    rows = [annotation(), annotation(99), annotation("x\x00y"), annotation(None)]
    result = found("coco", {"annotations.json": coco(annotations=rows), "a.png": b""})
    (warning,) = result.warnings
    assert (warning["file"], warning["code"]) == ("annotations.json", "unknown_image_id")
    assert "3 annotation(s) name image ids that it does not list: none, 99, x\ufffdy" in str(
        warning["detail"]
    )
    (entry,) = result.entries
    assert (entry.fate, "99" in str(entry.detail)) == ("used", True)


def test_images_without_name_or_id_are_counted() -> None:
    table = coco([image(), {"id": 3}, {"file_name": "b.png"}, 5, {"id": [], "file_name": "c.png"}])
    (warning,) = found("coco", {"annotations.json": table, "a.png": b""}).warnings
    assert str(warning["detail"]).startswith("annotations.json: 3 image(s) without an id")


def test_classes_come_in_the_order_of_their_numbers_and_several_tables_add_theirs() -> None:
    tens = [{"id": k, "name": f"c{k}"} for k in (10, 9, 1)]
    files = {
        "train/_annotations.coco.json": coco(categories=tens),
        "valid/_annotations.coco.json": coco(categories=[{"id": 1, "name": "new"}, {"id": 2}]),
        "train/a.png": b"",
        "valid/a.png": b"",
    }
    assert found("coco", files).classes == ("c1", "c9", "c10", "new", "2")


def test_two_tables_that_say_the_same_of_an_image_are_one_and_the_part_is_taken() -> None:
    files = {
        "annotations/all.json": coco(),
        "annotations/train.json": coco(),
        "images/a.png": b"",
    }
    assert [item.split for item in found("coco", files).items] == ["train"]
    files["annotations/test.json"] = coco()
    assert fates(found("coco", files))["images/a.png"] == ("excluded", "conflicting_annotations")


@pytest.mark.parametrize(
    "data", [b"{", b"", b'{"images": [', b'{"images": "\xff"}', b"[" * 100_000, coco()[:-20]]
)
def test_a_broken_table_refuses_the_upload_and_is_named(data: bytes) -> None:
    (problem,) = refusal("coco", {"annotations.json": data, "a.png": b""})
    assert (problem["code"], problem["file"]) == ("bad_annotations", "annotations.json")


def test_a_broken_table_beside_a_sound_one_is_left_out_by_name() -> None:
    files = {"train/_annotations.coco.json": coco(), "train/a.png": b"",
             "valid/_annotations.coco.json": coco()[:40], "valid/a.png": b""}  # fmt: skip
    assert fates(found("coco", files)) == {
        "train/_annotations.coco.json": ("used", None),
        "valid/_annotations.coco.json": ("excluded", "bad_annotations"),
        "valid/a.png": ("excluded", "not_listed"),
    }


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    | st.sampled_from([1, "1", 10**400, [1, 2, 3, 4], {"size": [3, 4], "counts": [2, 10]}]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)  # fmt: skip
IMAGES = st.lists(
    st.fixed_dictionaries({}, optional={k: ODD for k in ("id", "file_name", "width", "height")})
    | ODD, max_size=3,
)  # fmt: skip
FIELDS = ("id", "image_id", "category_id", "bbox", "segmentation", "iscrowd")
ANNOTATIONS = st.lists(
    st.fixed_dictionaries({}, optional={k: ODD for k in FIELDS}) | ODD, max_size=3
)
CATEGORIES = ODD | st.lists(
    st.fixed_dictionaries({}, optional={"id": ODD, "name": ODD}) | ODD, max_size=3
)
POLYP = tasks()["polyp"]


@given(IMAGES, ANNOTATIONS, CATEGORIES)
def test_no_json_whatever_breaks_the_door(
    images: list[Any], annotations: list[Any], categories: Any
) -> None:
    """It is no COCO, or its images are cases, or they are refused for a reason."""
    table = coco([image(1), *images], [annotation(), *annotations], categories or [])
    result = layouts()["coco"].recognise(tree({"annotations.json": table, "a.png": b""}))
    for item in result.items if result else ():
        values = {outline.name: 1 for outline in item.outlines or ()}
        with suppress(TruthError):
            from_outlines(item, (12, 9), POLYP, Naming(values))


NOT_COCO: list[Files] = [
    {"a.png": b""},
    {"settings.json": b"{", "a.png": b""},
    {"boxes.json": b'{"a": {"height": 5, "width": 6, "bbox": []}}', "images/a.png": b""},
    {"labelme.json": b'{"shapes": [], "imagePath": "a.png"}', "a.png": b""},
    {"annotations.json": b"[]", "a.png": b""},
    {"annotations.json": b'{"images": [], "annotations": []}'},
    {"image_info_test.json": json.dumps({"images": [image()]}).encode(), "a.png": b""},
    {"captions.json": coco(annotations=[{"image_id": 1, "caption": "a colon"}]), "a.png": b""},
    {"data/annotations.json": coco(), "data/a.png": b""},  # a folder to be looked through first
    {"annotations.json": coco(), "images/a.png": b"", "masks/a.png": b""},  # masks say more
    {"annotations.json": b"{", "images/a.png": b"", "masks/a.png": b""},
]


@pytest.mark.parametrize("files", NOT_COCO)
def test_what_is_no_coco_is_not_taken_for_it(files: Files) -> None:
    assert not_found("coco", files)


def test_regions_with_names_say_more_than_masks_with_numbers() -> None:
    table = coco(annotations=[annotation(segmentation=[POLYGON])])
    result = found("coco", {"annotations.json": table, "images/a.png": b"", "masks/a.png": b""})
    assert [item.files["image"] for item in result.items] == ["images/a.png"]
    assert fates(result)["masks/a.png"] == ("excluded", "not_listed")
