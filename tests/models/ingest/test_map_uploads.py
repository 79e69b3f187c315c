"""Uploads of map tasks from end to end: masks, boxes, polygons, and every way to get them wrong."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.discovery import tasks
from models.ingest import LedgerEntry, RejectedError, ingest
from models.pack import Manifest, Pack
from tests.models.ingest.boxed import MAPS, PENTAGON, POLYP, Taken, coco, images, rows
from tests.models.ingest.uploads import mask, pixels, saved, written, zipped

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
