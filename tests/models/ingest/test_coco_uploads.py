"""Boxes and regions by COCO files: what is taken, clipped, merged, left out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.ingest import RejectedError
from tests.models.ingest.boxed import MAPS, PENTAGON, SQUARE, Facts, Taken, coco, images


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
