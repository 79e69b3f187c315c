"""Masks at the door: what their numbers mean, what they are called, and what is wrong with some."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models.ingest.test_map_uploads import MAPS, POLYP, Taken
from tests.models.ingest.uploads import mask, picture, pixels, saved, table, zipped


def paired(*masks: bytes, prefix: str = "") -> dict[str, bytes]:
    """images/00.png, masks/00.png and so on, no two pictures alike."""
    files = {
        f"{prefix}images/{k:02d}.png": picture(700 + k + len(prefix)) for k in range(len(masks))
    }
    return files | {f"{prefix}masks/{k:02d}.png": data for k, data in enumerate(masks)}


def test_classes_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    found = Taken(tmp_path, paired(mask(0, 10, 2), mask(0, 1), mask(0, 2)), MAPS).manifest
    assert found.classes == ("class_1", "class_2", "class_10")
    assert found.mask_values == (1, 2, 10)
    assert found.class_counts == {"class_1": 1, "class_2": 2, "class_10": 1}


def test_numbers_without_a_gap_need_no_list(tmp_path: Path) -> None:
    found = Taken(tmp_path, paired(mask(0, 2), mask(0, 1)), MAPS).manifest
    assert (found.classes, found.mask_values) == (("class_1", "class_2"), ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", b"1 nerve\n2 vessel\n3 never seen"),
        ("classes.json", b'{"1": "nerve", "2": "vessel"}'),
    ],
)
def test_numbers_have_the_names_that_a_file_at_the_root_gives(
    name: str, text: bytes, tmp_path: Path
) -> None:
    files = paired(mask(0, 1), mask(0, 2, 4)) | {name: text}
    wrapped = {f"set/{file}": data for file, data in files.items()}
    for held, start in ((files, ""), (wrapped, "set/")):
        found = Taken(tmp_path, held, MAPS)
        assert found.manifest.classes == ("nerve", "vessel", "class_4")
        assert found.manifest.mask_values == (1, 2, 4)
        assert found.line(f"{start}{name}") == ("used", None)
        assert found.ledger[f"{start}images/01.png"].label == "vessel + class_4"
        for file in (f"{start}images/01.png", f"{start}masks/01.png"):
            assert found.line(file) == ("used", "undeclared_labels")
        assert found.warnings()["undeclared_labels"]["files"] == [f"{start}images/01.png"]
        assert found.line(f"{start}masks/00.png") == ("used", None)


def test_names_that_cannot_be_read_are_said_and_not_used(tmp_path: Path) -> None:
    found = Taken(tmp_path, paired(mask(0, 1)) | {"classes.txt": b"1 a\n2 a"}, MAPS)
    assert found.manifest.classes == ("class_1",)
    assert "classes.txt" in found.warnings()["bad_class_names"]["detail"]
    assert found.line("classes.txt") == ("ignored", "document")


def test_a_task_with_classes_of_its_own_needs_no_names(tmp_path: Path) -> None:
    found = Taken(tmp_path, paired(mask(0, 1)) | {"classes.txt": b"1 adenoma"}, POLYP)
    assert found.manifest.classes == ("polyp",)
    assert found.line("classes.txt") == ("ignored", "document")


def test_255_alone_is_the_class_and_beside_others_unknown(tmp_path: Path) -> None:
    found = Taken(tmp_path, paired(mask(0, 255), mask(0, 255)), MAPS)
    assert found.manifest.classes == ("class_1",)
    assert not {"unknown_pixels", "white_masks"} & set(found.warnings())

    found = Taken(tmp_path, paired(mask(0, 1, 255), mask(0, 1)), MAPS)
    assert found.manifest.classes == ("class_1",)
    assert (found.mask("images/00.png") == 255).any()
    assert found.warnings()["unknown_pixels"]["files"] == ["images/00.png"]


@pytest.mark.parametrize("other", [(0, 1, 255), (0, 2)])
def test_a_white_mask_among_numbered_ones_is_named(other: tuple[int, ...], tmp_path: Path) -> None:
    grey = Image.fromarray(np.repeat(np.tile(np.uint8([0, 255]), (32, 16))[..., None], 3, axis=2))
    masks = paired(mask(0, 255), mask(*other), mask(0, 1), saved(grey), saved(grey.convert("RGBA")))
    found = Taken(tmp_path, masks, MAPS)
    assert found.warnings()["white_masks"]["files"] == [f"images/{k:02d}.png" for k in (0, 3, 4)]


def test_a_polyp_mask_may_hold_unknown_pixels(tmp_path: Path) -> None:
    found = Taken(tmp_path, paired(mask(0, 1, 255)))
    assert (found.mask("images/00.png") == 255).any()
    assert found.ledger["images/00.png"].label == "polyp"


def test_an_empty_mask_shows_nothing_and_is_counted(tmp_path: Path) -> None:
    for task in (POLYP, MAPS):
        found = Taken(tmp_path, paired(mask(0), mask(0, 255), mask(0)), task)
        assert found.warnings()["empty_masks"]["count"] == 2
        assert found.line("images/00.png") == ("used", "empty_masks")
        assert found.line("masks/00.png") == ("used", "empty_masks")
        assert found.line("masks/01.png") == ("used", None)
        assert found.ledger["images/00.png"].label is None
        assert not found.mask("images/00.png").any()
        assert list(found.manifest.class_counts.values()) == [1]


def test_a_mask_of_the_picture_as_stored_is_told_of_the_turn(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(Image.fromarray(pixels(60, 48)[:32]), "JPEG", exif=exif)  # 32 wide, 48 high
    as_stored = saved(Image.fromarray(np.ones((32, 48), np.uint8)))
    files = {"images/a.jpg": turned, "masks/a.png": as_stored} | paired(mask(0, 1))
    found = Taken(tmp_path, files)
    assert found.line("masks/a.png") == ("excluded", "mask_size")
    assert found.ledger["masks/a.png"].detail == (
        "the mask is 48 x 32 pixels, its image 32 x 48: draw it on the upright image, as its EXIF "
        "turns it"
    )


PHOTO = saved(Image.fromarray(pixels(9)))
BAD = {
    "size": (mask(0, 255, side=31), "excluded", "mask_size", "31 x 31 pixels, its image 32 x 32"),
    "text": (b"no picture", "unreadable", "not_an_image", "no image is found in it"),
    "empty": (b"", "unreadable", "empty_file", "no content"),
    "video": (b"\x00\x00\x00\x18ftypmp42" + bytes(99), "unreadable", "not_an_image", ""),
    "zip": (zipped({"a": b""}), "unreadable", "not_an_image", ""),
    "cut": (PHOTO[:200], "unreadable", "damaged_image", "damaged"),
    "colour": (PHOTO, "excluded", "bad_mask", "in colour"),
    "grey": (mask(*range(33), side=33), "excluded", "bad_mask", "33 values in the mask"),
    "two": (mask(0, 2), "excluded", "bad_mask", "value 2 in the mask; polyp has 1 class(es): draw"),
    "instances": (mask(0, 1, 2, 3), "excluded", "bad_mask", "value 2, 3 in the mask"),
    "beside": (mask(0, 128, 255), "excluded", "bad_mask", "draw every polyp with 1, or with 255"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mask_that_cannot_be_used_is_named_and_its_image_is_left_out_with_it(
    name: str, tmp_path: Path
) -> None:
    data, fate, code, words = BAD[name]
    found = Taken(tmp_path, paired(data, mask(0, 255)))
    assert found.line("masks/00.png") == (fate, code)
    assert words in str(found.ledger["masks/00.png"].detail)
    assert found.line("images/00.png") == ("excluded", code)
    assert found.ledger["images/00.png"].detail == "left out with masks/00.png"
    assert {problem["file"] for problem in found.manifest.problems} == {
        "images/00.png", "masks/00.png",
    }  # fmt: skip


OTHERS = {
    "images/text.png": (b"no picture", "unreadable", "not_an_image"),
    "images/clip.mp4": (b"\x00\x00\x00\x18ftypmp42", "excluded", "unknown_kind"),
    "images/more.zip": (zipped({"a": b""}), "excluded", "nested_archive"),
    "images/zip.png": (zipped({"a": b""}), "excluded", "nested_archive"),
    "images/lonely.png": (picture(1), "excluded", "no_mask"),
    "masks/lonely.png": (mask(0, 1), "excluded", "mask_without_image"),
    "images/Thumbs.db": (b"", "ignored", "system_file"),
    "notes.txt": (b"", "ignored", "document"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_another_kind_is_named(name: str, tmp_path: Path) -> None:
    data, fate, code = OTHERS[name]
    files = paired(mask(0, 255)) | {name: data}
    if fate == "unreadable" or name == "images/zip.png":
        files[name.replace("images", "masks")] = mask(0, 1)
    found = Taken(tmp_path, files)
    assert found.line(name) == (fate, code)
    assert found.manifest.counts["cases"] == 1


def test_two_images_with_one_mask_are_left_out_for_a_map_and_used_for_classes(
    tmp_path: Path,
) -> None:
    rows = [("file_name", "mask", "label"), ("a.png", "m.png", "x"), ("b.png", "m.png", "y"),
            ("c.png", "c.png", "x"), ("d.png", "n.png", "y")]  # fmt: skip
    files = {"metadata.csv": table(*rows), "m.png": mask(0, 1), "n.png": mask(0, 1)}
    files |= {f"{name}.png": picture(k) for k, name in enumerate("abcd")}
    found = Taken(tmp_path, files)
    assert [found.line(f"{name}.png") for name in "abcm"] == [("excluded", "shared_mask")] * 4
    assert "m.png is given as the mask of a.png, b.png" in str(found.ledger["a.png"].detail)
    assert found.line("d.png") == ("used", None)


def shown(found: Taken, names: Iterable[str]) -> list[tuple[str | None, str | None]]:
    return [(found.ledger[name].label, found.ledger[name].split) for name in names]


def test_a_drawn_split_gives_every_part_its_share_of_empty_frames(tmp_path: Path) -> None:
    masks = [mask(0, 255 * (k % 5 > 0)) for k in range(60)]  # 12 of 60 are empty
    found = Taken(tmp_path, paired(*masks))
    assert found.manifest.splits == {"train": 42, "validation": 9, "test": 9}
    labels = shown(found, (f"images/{k:02d}.png" for k in range(60)))
    empty = [split for label, split in labels if label is None]
    assert sorted(map(empty.count, ("train", "validation", "test"))) == [2, 2, 8]
    assert "no_negatives" not in found.warnings()


def test_a_drawn_split_gives_every_part_every_class(tmp_path: Path) -> None:
    masks = [mask(0, 1, 3 if k % 10 == 0 else 2) for k in range(40)]
    found = Taken(tmp_path, paired(*masks), MAPS)
    labels = shown(found, (f"images/{k:02d}.png" for k in range(40)))
    rare = {split for label, split in labels if "class_3" in str(label)}
    assert rare == {"train", "validation", "test"}


def test_near_duplicates_are_one_subject_and_named_across_a_given_split(tmp_path: Path) -> None:
    files = paired(*[mask(0, 1)] * 6) | {
        "images/copy.jpg": picture(700, format="JPEG", quality=80), "masks/copy.png": mask(0),
    }  # fmt: skip
    found = Taken(tmp_path, files)
    assert found.manifest.counts["subjects"] == 6
    assert found.ledger["images/copy.jpg"].subject == found.ledger["images/00.png"].subject
    assert found.ledger["images/copy.jpg"].split == found.ledger["images/00.png"].split
    pair = [["images/00.png", "images/copy.jpg"]]
    assert found.warnings()["near_duplicates"]["pairs"] == pair
    assert found.warnings()["near_duplicates_disagree"]["pairs"] == pair  # polyp, and none

    files = paired(*[mask(0, 1)] * 6, prefix="train/") | paired(mask(0, 1), prefix="val/")
    files["val/images/00.png"] = files["train/images/03.png"]
    found = Taken(tmp_path, files)
    assert found.warnings()["near_duplicates_across_splits"]["pairs"] == [
        ["train/images/03.png", "val/images/00.png"]
    ]
    assert found.manifest.splits == {"train": 6, "validation": 1, "test": 0}


def test_frames_with_polyps_alone_and_too_few_of_them_are_said(tmp_path: Path) -> None:
    found = Taken(tmp_path, paired(*[mask(0, 1)] * 4))
    assert {"no_negatives", "below_floor", "few_subjects"} <= set(found.warnings())
    assert "no_negatives" not in Taken(tmp_path, paired(*[mask(0, 1)] * 4), MAPS).warnings()


def test_a_part_in_which_nothing_is_to_be_found_is_below_the_floor(tmp_path: Path) -> None:
    files = paired(*[mask(0, 1)] * 6, prefix="train/")
    files |= paired(mask(0), mask(0), prefix="val/")
    found = Taken(tmp_path, files)
    assert "the validation part shows nothing" in found.warnings()["below_floor"]["detail"]


def test_a_class_that_a_part_lacks_is_said(tmp_path: Path) -> None:
    files = paired(mask(0, 1, 2), *[mask(0, 1)] * 5, prefix="train/")
    files |= paired(mask(0, 1), mask(0, 1), prefix="val/")
    found = Taken(tmp_path, files, MAPS)
    assert found.warnings()["class_missing"]["detail"] == (
        "the validation part shows nothing of class_2"
    )
    assert "below_floor" not in found.warnings()
