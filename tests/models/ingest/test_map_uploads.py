"""Uploads of map tasks from end to end: masks, boxes, polygons, and every way to get them wrong."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from models.discovery import tasks
from models.ingest import LedgerEntry, RejectedError, ingest
from models.pack import Manifest, Pack
from models.task import Task
from tests.models.ingest.uploads import mask, picture, pixels, saved, table, written, zipped

MAPS = tasks()["segmentation"]
POLYP = tasks()["polyp"]
Facts = dict[str, Any]


class Taken:
    """A data set that was taken in: manifest, ledger by file, facts and masks by image."""

    def __init__(self, folder: Path, files: Mapping[str, bytes], task: Task = POLYP) -> None:
        out = folder / "pack.zip"
        self.manifest, lines = ingest(written(folder, zipped(files)), task, out)
        self.ledger = {line.file: line for line in lines}
        assert len(self.ledger) == len(lines), "a file has one line"
        with zipfile.ZipFile(out) as archive:
            assert archive.testzip() is None
        with Pack.open(out) as pack:
            self.cases = {case.case_id: case for case in pack.cases()}
            self.masks = {
                case.case_id: cv2.imdecode(
                    np.frombuffer(pack.read(case.roles["mask"]), np.uint8), cv2.IMREAD_UNCHANGED
                )
                for case in pack.cases()
                if "mask" in case.roles
            }
            assert pack.manifest == self.manifest

    def line(self, file: str) -> tuple[str, str | None]:
        return self.ledger[file].fate, self.ledger[file].code

    def facts(self, file: str) -> Facts:
        return dict(self.cases[str(self.ledger[file].case_id)].facts)

    def boxes(self, file: str) -> Any:
        return self.facts(file).get("boxes")

    def mask(self, file: str) -> Any:
        return self.masks.get(str(self.ledger[file].case_id))

    def warnings(self) -> dict[str, Mapping[str, Any]]:
        return {str(said["code"]): said for said in self.manifest.warnings}


def images(*names: str) -> dict[str, bytes]:
    return {name: picture(hash_of(name)) for name in names}


def hash_of(name: str) -> int:
    return sum(ord(letter) * (k + 1) for k, letter in enumerate(name))


def rows(*cells: tuple[str, ...], columns: tuple[str, ...] = ("file_name", "boxes")) -> Facts:
    """A metadata.csv and pictures of 32 x 32 for its rows."""
    quoted = [tuple(f'"{cell}"' for cell in row) for row in cells]
    return {"metadata.csv": table(columns, *quoted), **images(*(row[0] for row in cells))}


# ---- boxes by metadata.csv -------------------------------------------------------------------


def test_boxes_reach_the_pack_with_the_frames_that_show_nothing(tmp_path: Path) -> None:
    found = Taken(tmp_path, rows(("a.png", "1 2 10 12; 20 20 30 31.5"), ("b.png", "[]")))
    assert found.boxes("a.png") == [[1.0, 2.0, 10.0, 12.0], [20.0, 20.0, 30.0, 31.5]]
    assert found.boxes("b.png") == []
    assert found.mask("a.png") is None
    assert found.manifest.classes == ("polyp",)
    assert found.manifest.class_counts == {"polyp": 1}
    assert [found.ledger[name].label for name in ("a.png", "b.png")] == ["polyp", None]
    assert found.manifest.positive == "polyp"
    assert "empty_boxes" not in found.warnings()


def test_an_empty_cell_shows_nothing_and_is_counted(tmp_path: Path) -> None:
    found = Taken(tmp_path, rows(("a.png", "1 2 10 12"), ("b.png", ""), ("c.png", "")))
    assert found.boxes("b.png") == []
    assert found.warnings()["empty_boxes"]["count"] == 2
    assert found.line("b.png") == ("used", "empty_boxes")
    assert found.line("a.png") == ("used", None)


def test_a_box_is_clipped_at_the_frame_and_that_is_said(tmp_path: Path) -> None:
    found = Taken(tmp_path, rows(("a.png", "-9 2 10 50"), ("b.png", "0 0 32 32.4")))
    assert found.boxes("a.png") == [[0.0, 2.0, 10.0, 32.0]]
    assert found.warnings()["boxes_clipped"]["files"] == ["a.png"]
    assert found.boxes("b.png") == [[0.0, 0.0, 32.0, 32.0]]  # rounding is not worth a word
    assert found.line("a.png") == ("used", "boxes_clipped")


def test_a_box_outside_is_dropped_and_a_case_of_such_boxes_alone_is_left_out(
    tmp_path: Path,
) -> None:
    cells = [("a.png", "1 2 9 9; 40 40 50 50; 5 5 5 9"), ("b.png", "40 40 50 50"), ("c.png", "[]")]
    found = Taken(tmp_path, rows(*cells))
    assert found.boxes("a.png") == [[1.0, 2.0, 9.0, 9.0]]
    assert found.warnings()["boxes_dropped"]["files"] == ["a.png"]
    assert found.line("b.png") == ("excluded", "bad_box")
    assert "the first, in pixels x0 y0 x1 y1, is 40 40 50 50" in str(found.ledger["b.png"].detail)
    (problem,) = found.manifest.problems
    assert (problem["file"], problem["code"]) == ("b.png", "bad_box")


def test_a_thing_that_is_marked_twice_counts_once(tmp_path: Path) -> None:
    found = Taken(tmp_path, rows(("a.png", "1 2 9 9; 1 2 9 9; 1 2 9 8"), ("b.png", "1 2 9 9")))
    assert found.boxes("a.png") == [[1.0, 2.0, 9.0, 9.0], [1.0, 2.0, 9.0, 8.0]]
    assert found.line("a.png") == ("used", "repeated_annotations")
    assert found.line("b.png") == ("used", None)


def test_boxes_are_held_against_the_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(Image.fromarray(pixels(60, 48)[:32]), "JPEG", exif=exif)  # 32 wide, 48 high
    files = rows(("a.jpg", "5 40 30 47"), ("b.jpg", "40 5 47 30")) | {"a.jpg": turned}
    files["b.jpg"] = saved(Image.fromarray(pixels(61, 48)[:32]), "JPEG", exif=exif)
    found = Taken(tmp_path, files)
    assert found.boxes("a.jpg") == [[5.0, 40.0, 30.0, 47.0]]
    assert found.line("b.jpg") == ("excluded", "bad_box")


@pytest.mark.parametrize("cell", ["5 5 2 2", "four", "[[1, 2]]", "1 2 3"])
def test_boxes_that_cannot_be_read_leave_the_case_out(cell: str, tmp_path: Path) -> None:
    found = Taken(tmp_path, rows(("a.png", cell), ("b.png", "1 1 9 9; 2 2 8 8")))
    assert found.line("a.png") == ("excluded", "bad_box")
    assert "x0 y0 x1 y1" in str(found.ledger["a.png"].detail)


def test_a_mask_is_believed_before_boxes_which_are_kept(tmp_path: Path) -> None:
    columns = ("file_name", "mask", "boxes")
    files = rows(
        ("a.png", "m/a.png", "1 2 9 9"), ("b.png", "m/b.png", "oops"), ("c.png", "", "3 3 9 9"),
        ("d.png", "m/d.png", ""), columns=columns,
    )  # fmt: skip
    files |= {f"m/{name}.png": mask(0, 255) for name in "abd"}
    found = Taken(tmp_path, files)
    assert found.mask("a.png")[0, 31] == 1
    assert found.boxes("a.png") == [[1.0, 2.0, 9.0, 9.0]]
    assert found.mask("b.png") is not None and found.boxes("b.png") is None
    assert found.warnings()["boxes_unread"]["files"] == ["b.png"]
    assert found.boxes("c.png") == [[3.0, 3.0, 9.0, 9.0]]
    assert found.facts("d.png") == {}
    assert "empty_boxes" not in found.warnings()


def test_a_row_without_a_mask_in_a_table_of_masks_is_left_out(tmp_path: Path) -> None:
    files = rows(("a.png", "m.png"), ("b.png", ""), columns=("file_name", "mask"))
    found = Taken(tmp_path, {**files, "m.png": mask(0, 255)})
    assert found.line("b.png") == ("excluded", "no_mask")


def test_boxes_alone_teach_no_label_map(tmp_path: Path) -> None:
    columns = ("file_name", "mask", "boxes")
    cells = [("a.png", "m.png", ""), ("b.png", "", "1 2 9 9"), ("c.png", "", "[]")]
    found = Taken(tmp_path, rows(*cells, columns=columns) | {"m.png": mask(0, 2)}, MAPS)
    assert found.line("b.png") == found.line("c.png") == ("excluded", "no_mask")
    assert "give a mask, or polygons" in str(found.ledger["b.png"].detail)
    assert found.facts("a.png") == {}


def test_the_task_reads_from_the_pack_what_was_given(tmp_path: Path) -> None:
    columns = ("file_name", "mask", "boxes")
    cells = [("a.png", "m.png", "1 2 9 9"), ("b.png", "", "1 2 9 9"), ("c.png", "", "")]
    Taken(tmp_path, rows(*cells, columns=columns) | {"m.png": mask(0, 255)})
    with Pack.open(tmp_path / "pack.zip") as pack:
        both, boxed, empty = map(POLYP.read, pack.cases())
    assert both.mask is not None and set(np.unique(both.mask)) == {0, 1}
    assert (boxed.mask, boxed.boxes) == (None, ((1.0, 2.0, 9.0, 9.0),))
    assert (empty.mask, empty.boxes) == (None, ())


# ---- COCO ------------------------------------------------------------------------------------


def coco(
    listed: list[tuple[str, list[dict[str, Any]]]],
    categories: tuple[str, ...] = ("polyp",),
) -> bytes:
    """Images of 32 x 32 with their annotations, `category` by position from 1."""
    found: dict[str, list[Any]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": k, "name": name} for k, name in enumerate(categories, 1)],
    }
    for k, (name, marks) in enumerate(listed, 1):
        found["images"].append({"id": k, "file_name": name, "width": 32, "height": 32})
        for mark in marks:
            number = len(found["annotations"]) + 1
            found["annotations"].append(
                {"id": number, "image_id": k, "category_id": 1, "iscrowd": 0, **mark}
            )
    return json.dumps(found).encode()


PENTAGON = {"bbox": [4, 4, 16, 20], "segmentation": [[4, 4, 20, 4, 20, 16, 12, 24, 4, 16]]}
SQUARE = {"bbox": [2, 2, 8, 8], "segmentation": [[2, 2, 10, 2, 10, 10, 2, 10]]}


def test_coco_boxes_and_empty_frames_are_polyps_and_none(tmp_path: Path) -> None:
    marks = [{"bbox": [1, 2, 9, 10]}, {"bbox": [-6, 20, 10, 30], "segmentation": []}]
    listed = [("a.png", marks), ("b.png", [])]
    files = {"annotations.json": coco(listed), **images("images/a.png", "images/b.png")}
    found = Taken(tmp_path, files)
    assert found.manifest.layout == "coco"
    assert found.boxes("images/a.png") == [[1.0, 2.0, 10.0, 12.0], [0.0, 20.0, 4.0, 32.0]]
    assert found.boxes("images/b.png") == []
    assert found.warnings()["no_annotations"]["files"] == ["images/b.png"]
    assert found.line("annotations.json") == ("used", None)
    assert found.manifest.counts == {"files": 3, "cases": 2, "subjects": 2, "excluded": 0}


def test_coco_regions_become_a_mask_with_the_boxes_beside_it(tmp_path: Path) -> None:
    files = {"annotations.json": coco([("a.png", [PENTAGON])]), **images("a.png")}
    found = Taken(tmp_path, files)
    drawn = found.mask("a.png")
    assert drawn is not None
    assert (drawn[4:16, 4:20] == 1).all() and set(np.unique(drawn)) == {0, 1}
    assert found.boxes("a.png") == [[4.0, 4.0, 20.0, 24.0]]


@pytest.mark.parametrize("marks", [[SQUARE], [PENTAGON, {"bbox": [1, 1, 5, 5]}]])
def test_a_polyp_with_a_box_for_an_outline_has_boxes_alone(
    marks: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Taught as a mask the corners of a box would be polyp, and the unoutlined one background."""
    found = Taken(tmp_path, {"annotations.json": coco([("a.png", marks)]), **images("a.png")})
    assert found.mask("a.png") is None
    assert len(found.boxes("a.png")) == len(marks)


def test_coco_regions_of_several_categories_are_a_label_map_with_their_names(
    tmp_path: Path,
) -> None:
    runs = {"size": [32, 32], "counts": [32 * 20, 32 * 4, 32 * 8]}
    marks = [{**SQUARE, "category_id": 3}, {"bbox": None, "segmentation": runs, "category_id": 1}]
    table = coco([("a.png", marks), ("b.png", [])], ("vessel", "unused", "nerve"))
    found = Taken(tmp_path, {"annotations.json": table, **images("a.png", "b.png")}, MAPS)
    assert found.manifest.classes == ("vessel", "nerve")
    assert found.manifest.mask_values == ()
    drawn = found.mask("a.png")
    assert (drawn[2:10, 2:10] == 2).all() and (drawn[:, 20:24] == 1).all()
    assert (drawn > 0).sum() == 64 + 128
    assert not found.mask("b.png").any()
    assert found.ledger["a.png"].label == "vessel + nerve"
    assert found.manifest.class_counts == {"vessel": 1, "nerve": 1}
    assert found.facts("a.png") == {}


CROOKED = [
    ("size", {"width": 64}, [PENTAGON], "image_size", "annotated as 64 x 32 pixels"),
    ("box", {}, [{"bbox": [40, 40, 5, 5]}], "bad_box", "x0 y0 x1 y1, is 40 40 45 45"),
    ("numbers", {}, [{"bbox": [1, 2, 3]}], "bad_annotation", "no x, y, width, height"),
    ("category", {}, [{**SQUARE, "category_id": 9}], "unknown_category", "listed are 1 polyp"),
    ("runs", {}, [{"segmentation": {"size": [32, 32], "counts": [5]}}], "bad_outline", "add up"),
    ("packed", {}, [{"segmentation": {"size": [32, 32], "counts": "~"}}], "bad_outline", "COCO"),
    ("other", {}, [{"segmentation": {"size": [9, 9], "counts": [81]}}], "bad_outline", "9 x 9"),
    ("thin", {}, [{"segmentation": [[1, 1, 9, 1.2, 9, 1.3, 1, 1.4, 0, 1.1]], "bbox": [1, 1, 8, 1]}],
     "bad_outline", "centre"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "marks", "code", "words"), [row[1:] for row in CROOKED], ids=[r[0] for r in CROOKED]
)
def test_an_annotation_that_does_not_fit_its_image_leaves_it_out(
    more: Facts, marks: list[Facts], code: str, words: str, tmp_path: Path
) -> None:
    listed = json.loads(coco([("a.png", marks), ("b.png", [SQUARE])]))
    listed["images"][0].update(more)
    files = {"x.json": json.dumps(listed).encode(), **images("a.png", "b.png")}
    found = Taken(tmp_path, files)
    assert found.line("a.png") == ("excluded", code)
    assert words in str(found.ledger["a.png"].detail)
    assert found.line("b.png") == ("used", None)


def test_kinds_of_polyps_are_merged_and_instruments_are_left_out(tmp_path: Path) -> None:
    listed = [
        ("a.png", [{"bbox": [1, 1, 9, 9]}, {"bbox": [9, 9, 9, 9], "category_id": 2}]),
        ("b.png", [{"bbox": [1, 1, 9, 9], "category_id": 3}]),
    ]
    names = ("adenoma", "hyperplastic", "instrument")
    found = Taken(tmp_path, {"x.json": coco(listed, names), **images("a.png", "b.png")})
    assert len(found.boxes("a.png")) == 2
    assert found.boxes("b.png") == []
    assert found.warnings()["merged_classes"]["classes"] == ["adenoma", "hyperplastic"]
    assert found.warnings()["dropped_classes"]["classes"] == ["instrument"]


def test_one_polyp_under_two_names_is_one(tmp_path: Path) -> None:
    marks = [{"bbox": [1, 1, 9, 9]}, {"bbox": [1, 1, 9, 9], "category_id": 2}]
    files = {"x.json": coco([("a.png", marks)], ("polyp", "adenoma")), **images("a.png")}
    found = Taken(tmp_path, files)
    assert found.boxes("a.png") == [[1.0, 1.0, 10.0, 10.0]]
    assert found.warnings()["repeated_annotations"]["files"] == ["a.png"]


def test_classes_of_which_none_is_the_task_s_refuse_the_upload(tmp_path: Path) -> None:
    marks = [{"bbox": [1, 1, 9, 9]}, {"bbox": [1, 1, 9, 9], "category_id": 2}]
    files = {"x.json": coco([("a.png", marks)], ("stool", "fold")), **images("a.png")}
    with pytest.raises(RejectedError) as caught:
        Taken(tmp_path, files)
    assert caught.value.problems[0]["code"] == "unknown_labels"
    assert [line.file for line in caught.value.ledger] == ["a.png", "x.json"]


# ---- YOLO ------------------------------------------------------------------------------------


def test_yolo_boxes_are_pixels_of_their_image(tmp_path: Path) -> None:
    files = {
        **images("train/images/a.png", "train/images/b.png", "valid/images/c.png"),
        "train/labels/a.txt": b"0 0.5 0.5 0.25 0.5\n0 0.02 0.5 0.5 0.25",
        "train/labels/b.txt": b"",
        "valid/labels/c.txt": b"0 0.1 0.1 0.5 0.1 0.5 0.5 0.3 0.7 0.1 0.5",
        "data.yaml": b"names: [polyp]",
    }
    found = Taken(tmp_path, files)
    assert found.manifest.layout == "yolo"
    assert found.boxes("train/images/a.png") == [[12.0, 8.0, 20.0, 24.0], [0.0, 12.0, 8.64, 20.0]]
    assert found.warnings()["boxes_clipped"]["count"] == 1
    assert found.boxes("train/images/b.png") == []
    assert found.mask("valid/images/c.png") is not None
    assert found.ledger["train/labels/a.txt"].case_id == found.ledger["train/images/a.png"].case_id
    assert found.manifest.splits == {"train": 2, "validation": 1, "test": 0}
    assert found.manifest.counts["files"] == 7


def test_a_yolo_text_at_fault_is_named_before_its_image(tmp_path: Path) -> None:
    files = {
        **images("images/a.png", "images/b.png", "images/c.png"),
        "labels/a.txt": b"0 0.5 0.5 0.25 0.5",
        "labels/b.txt": b"0 100 100 20 20",
        "labels/c.txt": b"0 0.5 0.5 0 0",
    }
    found = Taken(tmp_path, files)
    assert found.line("labels/b.txt") == ("excluded", "bad_label")
    assert "100 is no fraction" in str(found.ledger["labels/b.txt"].detail)
    assert found.ledger["images/b.png"].detail == "left out with labels/b.txt"
    assert found.line("labels/c.txt") == ("excluded", "bad_box")


def test_a_layout_of_boxes_is_none_for_a_task_of_pixels(tmp_path: Path) -> None:
    files = {**images("images/a.png"), "labels/a.txt": b"0 0.5 0.5 0.25 0.5"}
    with pytest.raises(RejectedError) as caught:
        Taken(tmp_path, files, MAPS)
    assert caught.value.problems[0]["code"] == "layout_not_accepted"


# ---- which layout ----------------------------------------------------------------------------


def test_what_is_written_down_goes_before_what_folders_suggest(tmp_path: Path) -> None:
    files = {
        "annotations.json": coco([("a.png", [PENTAGON])]),
        "labels/a.txt": b"0 0.5 0.5 0.25 0.5",
        **images("images/a.png"),
        "masks/a.png": mask(0, 255),
    }
    assert Taken(tmp_path, files).manifest.layout == "coco"
    sheet = rows(("images/a.png", "1 1 9 9"))
    assert Taken(tmp_path, {**files, **sheet}).manifest.layout == "metadata_csv"
    del files["annotations.json"]
    assert Taken(tmp_path, files).manifest.layout == "image_mask_pairs"
    del files["masks/a.png"]
    assert Taken(tmp_path, files).manifest.layout == "yolo"


def test_a_single_folder_around_a_table_is_looked_through(tmp_path: Path) -> None:
    files = {"set/annotations.json": coco([("a.png", [{"bbox": [1, 1, 9, 9]}]), ("b.png", 5 * [])]),
             **images("set/images/a.png", "set/images/b.png")}  # fmt: skip
    found = Taken(tmp_path, files)
    assert found.line("set/annotations.json") == ("used", None)
    assert found.boxes("set/images/a.png") == [[1.0, 1.0, 10.0, 10.0]]


def test_a_class_task_has_no_use_for_a_table_of_boxes(tmp_path: Path) -> None:
    files = images("x/a.png", "y/b.png") | {"annotations.json": coco([("a.png", [])])}
    found = Taken(tmp_path, files, tasks()["classification"])
    assert found.manifest.layout == "class_folders"


def named(lines: list[LedgerEntry]) -> dict[str, str | None]:
    return {line.file: line.code for line in lines}


def test_a_refused_upload_names_every_file(tmp_path: Path) -> None:
    files = {"annotations.json": coco([("a.png", [{"bbox": [99, 99, 1, 1]}])]), **images("a.png")}
    with pytest.raises(RejectedError) as caught:
        Taken(tmp_path, files)
    why, box = caught.value.problems
    assert (why["code"], box["code"], box["file"]) == ("no_cases", "bad_box", "a.png")
    assert box["detail"] == (
        "no box has a pixel within the upright image of 32 x 32 pixels; the first, in pixels "
        "x0 y0 x1 y1, is 99 99 100 100"
    )
    assert named(caught.value.ledger) == {"a.png": "bad_box", "annotations.json": None}


def test_a_positive_class_is_no_choice_of_a_map_task(tmp_path: Path) -> None:
    upload = written(tmp_path, zipped(rows(("a.png", "1 1 9 9"))))
    with pytest.raises(RejectedError) as caught:
        ingest(upload, POLYP, tmp_path / "pack.zip", positive="adenoma")
    assert caught.value.problems[0]["code"] == "positive_unknown"
    found, _ = ingest(upload, POLYP, tmp_path / "pack.zip", positive="polyp")
    assert isinstance(found, Manifest) and found.positive == "polyp"
