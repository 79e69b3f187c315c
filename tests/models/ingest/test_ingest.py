"""From an archive to a pack: what is used, left out, refused and said."""

import json
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.discovery import tasks
from models.imaging.frames import decode
from models.ingest import Limits, ingest
from models.pack import Manifest, Pack
from tests.models.ingest.outcomes import of, refusal, taken
from tests.models.ingest.uploads import (
    KINDS,
    class_folders,
    mask,
    packed,
    picture,
    pixels,
    saved,
    table,
    written,
)

CLASSES = tasks()["classification"]
FRAMES = tasks()["frame_quality"]
MAPS = tasks()["segmentation"]
NAME = re.compile(r"manifest\.json|(images|masks)/\d{6}\.(png|jpg)")


def test_class_folders_become_cases_subjects_and_splits(tmp_path: Path) -> None:
    manifest, ledger = taken(tmp_path, class_folders(20))
    assert manifest.layout == "class_folders"
    assert manifest.classes == ("benign", "malignant")
    assert manifest.counts == {"files": 40, "cases": 40, "subjects": 40, "excluded": 0}
    assert manifest.class_counts == {"benign": 20, "malignant": 20}
    assert manifest.subject_counts == {"benign": 20, "malignant": 20}
    assert manifest.splits == {"train": 28, "validation": 6, "test": 6}
    assert manifest.split_origin == "drawn"
    assert {entry.fate for entry in ledger.values()} == {"used"}
    assert manifest.problems == ()
    first = ledger["benign/000.png"]
    assert (first.case_id, first.label, first.subject) == (
        "case_000001",
        "benign",
        "subject_000001",
    )


def test_a_pack_gives_back_the_pictures_under_names_of_its_own(tmp_path: Path) -> None:
    files = class_folders(3)
    manifest, ledger = taken(tmp_path, files)
    with Pack.open(tmp_path / "out" / "pack.zip") as pack:
        assert pack.manifest == manifest
        assert pack.manifest.digest == manifest.digest
        by_id = {case.case_id: case for case in pack.cases()}
        for name, data in files.items():
            case = by_id[str(ledger[name].case_id)]
            assert np.array_equal(decode(case.open(case.roles["image"]))[0], decode(data)[0])
            assert case.label == name.split("/")[0]
        parts = [pack.cases(split) for split in ("train", "validation", "test")]
        assert sum(map(len, parts)) == 6


def test_a_pack_is_stored_dated_alike_and_names_nobody(tmp_path: Path) -> None:
    files = {f"{label}/JANE DOE {k}.png": picture(k) for k, label in enumerate("xyxyxy")}
    taken(tmp_path, files)
    with zipfile.ZipFile(tmp_path / "out" / "pack.zip") as archive:
        for info in archive.infolist():
            assert NAME.fullmatch(info.filename)
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
    with Pack.open(tmp_path / "out" / "pack.zip") as pack:
        assert "JANE" not in str(pack.cases())


def test_the_same_files_have_one_digest_in_every_kind_of_archive(tmp_path: Path) -> None:
    files = {**class_folders(4), "README.txt": b"for people"}
    backwards = dict(reversed(files.items()))
    digests = {taken(tmp_path, files, kind=kind)[0].digest for kind in KINDS}
    digests |= {taken(tmp_path, backwards)[0].digest}
    digests |= {taken(tmp_path, {**files, "__MACOSX/._000.png": b"x", ".DS_Store": b""})[0].digest}
    assert len(digests) == 1
    assert taken(tmp_path, {**files, "benign/000.png": picture(77)})[0].digest not in digests


def test_what_an_operating_system_leaves_behind_is_ignored(tmp_path: Path) -> None:
    junk = ["__MACOSX/benign/._000.png", "benign/._000.png", ".DS_Store", "benign/Thumbs.db"]
    manifest, ledger = taken(tmp_path, {**class_folders(3), **dict.fromkeys(junk, b"junk")})
    assert [ledger[name].fate for name in junk] == ["ignored"] * 4
    assert manifest.counts["files"] == 6
    assert manifest.problems == ()


def test_a_single_folder_around_everything_is_looked_through(tmp_path: Path) -> None:
    files = {f"data/{name}": data for name, data in class_folders(3).items()}
    manifest, ledger = taken(tmp_path, {**files, "README.md": b"", "data/notes.txt": b""})
    assert manifest.counts["cases"] == 6
    assert ledger["data/benign/000.png"].fate == "used"
    assert (ledger["README.md"].fate, ledger["data/notes.txt"].fate) == ("ignored", "ignored")


def test_a_table_is_believed_before_folders(tmp_path: Path) -> None:
    files = class_folders(2)
    rows = [(name, "other" if k % 2 else "one") for k, name in enumerate(files)]
    manifest, _ = taken(tmp_path, {**files, "metadata.csv": table(("file_name", "label"), *rows)})
    assert manifest.layout == "metadata_csv"
    assert manifest.classes == ("one", "other")


def test_a_tree_without_a_layout_is_refused_with_what_is_taken(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"a.png": picture(1), "b.png": picture(2)})
    assert error.problems[0]["code"] == "no_layout"
    assert "class_folders" in str(error.problems[0]["detail"])
    assert [entry.file for entry in error.ledger] == ["a.png", "b.png"]


def test_a_layout_that_the_task_does_not_take_is_named(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"images/a.png": picture(1), "masks/a.png": mask(0, 255)})
    assert error.problems[0]["code"] == "layout_not_accepted"
    assert "image_mask_pairs" in str(error.problems[0]["detail"])


ODD = {
    "benign/cmyk.jpg": (
        saved(Image.fromarray(pixels(50)).convert("CMYK"), "JPEG"),
        "converted_cmyk",
    ),
    "benign/deep.png": (
        saved(Image.fromarray(pixels(51)[..., 0].astype(np.uint16) * 16)),
        "converted_16_bit",
    ),
    "benign/palette.png": (
        saved(Image.fromarray(pixels(52)).convert("P")),
        "palette_flattened",
    ),
    "benign/alpha.png": (saved(Image.fromarray(pixels(53)).convert("RGBA")), "alpha_flattened"),
    "benign/moving.gif": (
        saved(
            Image.fromarray(pixels(54)), "GIF", save_all=True,
            append_images=[Image.fromarray(pixels(55))],
        ),
        "first_frame_only",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_an_odd_picture_is_used_and_said_to_be_converted(name: str, tmp_path: Path) -> None:
    data, note = ODD[name]
    manifest, ledger = taken(tmp_path, {**class_folders(3), name: data})
    assert ledger[name].fate == "used"
    assert of(manifest, note)["files"] == [name]


def test_a_picture_is_packed_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(pixels(60, 48)[:32]), "JPEG", exif=exif)
    manifest, ledger = taken(tmp_path, {**class_folders(3), "benign/a.jpg": data})
    assert of(manifest, "exif_rotated")["files"] == ["benign/a.jpg"]
    with Pack.open(tmp_path / "out" / "pack.zip") as pack:
        (case,) = [c for c in pack.cases() if c.case_id == ledger["benign/a.jpg"].case_id]
        found, notes = decode(case.open(case.roles["image"]))
    assert (found.shape, notes) == ((48, 32, 3), ())


BAD = {
    "empty.png": (b"", "unreadable", "empty_file"),
    "text.png": (b"this is text", "unreadable", "not_an_image"),
    "cut.jpg": (picture(1, 300, "JPEG")[:-900], "unreadable", "damaged_image"),
    "dot.png": (saved(Image.new("RGB", (1, 1))), "excluded", "too_small"),
    "vast.png": (saved(Image.new("1", (2000, 501))), "excluded", "too_large"),
    "more.zip": (packed("zip", {"a.png": b"1"}), "excluded", "nested_archive"),
    "more.png": (packed("zip", {"a.png": b"1"}), "excluded", "nested_archive"),
    "more.tar.gz": (packed("tar.gz", {"a.png": b"1"}), "excluded", "nested_archive"),
    "scan.dcm": (b"DICM", "excluded", "unknown_kind"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_used_is_left_out_by_name(name: str, tmp_path: Path) -> None:
    data, fate, code = BAD[name]
    file = f"benign/{name}"
    limits = Limits(image_max_pixels=1_000_000)
    manifest, ledger = taken(tmp_path, {**class_folders(3), file: data}, limits=limits)
    assert (ledger[file].fate, ledger[file].code) == (fate, code)
    assert [(problem["file"], problem["code"]) for problem in manifest.problems] == [(file, code)]
    assert manifest.counts == {"files": 7, "cases": 6, "subjects": 6, "excluded": 1}


def test_a_damaged_member_is_unreadable_and_the_others_are_used(tmp_path: Path) -> None:
    inside = picture(1, format="BMP")
    data = packed("tar", {})  # only for its type
    out = tmp_path / "upload"
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in {**class_folders(3), "benign/bad.bmp": inside}.items():
            archive.writestr(name, content)
    data = out.read_bytes().replace(inside, inside[:-1] + bytes([inside[-1] ^ 1]))
    _, ledger = ingest(written(tmp_path, data), CLASSES, tmp_path / "pack.zip")
    fates = {entry.file: (entry.fate, entry.code) for entry in ledger}
    assert fates["benign/bad.bmp"] == ("unreadable", "corrupt_member")
    assert sum(fate == ("used", None) for fate in fates.values()) == 6


def test_an_archive_of_nothing_usable_is_refused_with_its_ledger(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"x/a.png": b"text", "y/b.png": b""})
    assert [problem["code"] for problem in error.problems] == [
        "no_cases",
        "not_an_image",
        "empty_file",
    ]
    assert [entry.code for entry in error.ledger] == ["not_an_image", "empty_file"]


def test_labels_unknown_to_the_task_are_refused_with_those_expected(tmp_path: Path) -> None:
    error = refusal(tmp_path, class_folders(2, ("good", "informative")), FRAMES)
    assert error.problems[0]["code"] == "unknown_labels"
    assert "good" in str(error.problems[0]["detail"])
    assert "informative, non_informative" in str(error.problems[0]["detail"])


def test_a_task_with_classes_of_its_own_keeps_their_order_and_positive(tmp_path: Path) -> None:
    manifest, _ = taken(tmp_path, class_folders(2, ("non_informative", "informative")), FRAMES)
    assert manifest.classes == ("informative", "non_informative")
    assert manifest.positive == "informative"


def test_the_positive_class_is_one_of_two(tmp_path: Path) -> None:
    assert taken(tmp_path, class_folders(2), positive="malignant")[0].positive == "malignant"
    assert taken(tmp_path, class_folders(2))[0].positive is None
    wrong = refusal(tmp_path / "a", class_folders(2), positive="evil")
    assert wrong.problems[0]["code"] == "positive_unknown"
    three = refusal(tmp_path / "b", class_folders(2, "xyz"), positive="x")
    assert three.problems[0]["code"] == "positive_not_binary"


def test_image_and_mask_pairs_are_packed_as_label_maps(tmp_path: Path) -> None:
    files = {f"images/{k}.png": picture(k) for k in range(6)}
    files |= {f"masks/{k}.png": mask(0, 1 + k % 2) for k in range(5)}
    files |= {"masks/5.png": mask(0, 255, side=31)}
    manifest, ledger = taken(tmp_path, files, MAPS)
    assert manifest.classes == ("class_1", "class_2")
    assert manifest.class_counts == {"class_1": 3, "class_2": 2}
    assert (ledger["masks/5.png"].code, ledger["images/5.png"].code) == ("mask_size", "mask_size")
    assert ledger["masks/0.png"].case_id == ledger["images/0.png"].case_id
    with Pack.open(tmp_path / "out" / "pack.zip") as pack:
        case = pack.cases()[1]
        assert set(case.roles) == {"image", "mask"}
        found = decode(case.open(case.roles["mask"]))[0][..., 0]
    assert (found[:, 0] == 0).all()
    assert (found[:, -1] == 2).all()


def test_a_mask_with_more_classes_than_the_task_is_left_out(tmp_path: Path) -> None:
    files = {f"images/{k}.png": picture(k) for k in range(3)}
    files |= {f"masks/{k}.png": mask(0, 1 + (k == 2)) for k in range(3)}
    manifest, ledger = taken(tmp_path, files, tasks()["polyp"])
    assert ledger["masks/2.png"].code == "bad_mask"
    assert (manifest.classes, manifest.counts["cases"]) == (("polyp",), 2)


def test_a_mask_that_a_class_task_does_not_need_is_said_to_be_ignored(tmp_path: Path) -> None:
    sheet = table(("file_name", "label", "mask"), ("a.png", "x", "m.png"), ("b.png", "y", ""))
    files = {"metadata.csv": sheet, "a.png": picture(1), "b.png": picture(2), "m.png": mask(0, 1)}
    _, ledger = taken(tmp_path, files)
    assert (ledger["m.png"].fate, ledger["m.png"].code) == ("ignored", "not_needed")


def test_progress_is_told_for_every_stage_and_never_past_its_total(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    taken(tmp_path, class_folders(3), kind="tar.gz", tick=lambda *said: told.append(said))
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == [
        "unpacking",
        "reading",
        "comparing",
        "writing",
    ]
    assert all(0 <= done <= total for _, done, total in told)


def test_a_watcher_that_stops_an_ingest_leaves_nothing_behind(tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("reading", 2):
            raise StoppedError

    with pytest.raises(StoppedError):
        taken(tmp_path, class_folders(3), tick=stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_manifest_survives_its_json(tmp_path: Path) -> None:
    sheet = table(
        ("file_name", "label", "spacing_mm"), ("a.png", "x", "0.5"), ("b.png", "y", "0.1 0.2")
    )
    files = {"metadata.csv": sheet, "a.png": picture(1), "b.png": picture(2)}
    manifest, _ = taken(tmp_path, files)
    again = Manifest.from_json(manifest.to_json())
    assert again == manifest
    assert [case.spacing_mm for case in again.cases] == [(0.5, 0.5), (0.1, 0.2)]
    later = json.loads(manifest.to_json()) | {"format": 2}
    with pytest.raises(ValueError, match="format 2"):
        Manifest.from_json(json.dumps(later).encode())


@pytest.mark.parametrize("kind", ["zip", "tar.zst"])
def test_memory_does_not_grow_with_the_archive(kind: str, tmp_path: Path) -> None:
    """150 pictures of 200 kB each (30 MB): the peak stays that of a few pictures."""
    noise = np.random.default_rng(0).integers(0, 256, (150, 256, 256, 3), dtype=np.uint8)
    files = {
        f"{'xy'[k % 2]}/{k:03d}.png": saved(Image.fromarray(image), compress_level=1)
        for k, image in enumerate(noise)
    }
    upload = written(tmp_path, packed(kind, files))
    assert upload.stat().st_size > 25_000_000
    del files, noise
    tracemalloc.start()
    ingest(upload, CLASSES, tmp_path / "pack.zip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000
