"""Uploads of volumes from end to end: series, files, masks, and every way to get them wrong."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest

from app.cli.zipping import FolderStream
from models.__main__ import pack_of
from models.discovery import tasks
from models.door.volumes import arrivals, choice
from models.door.volumes.choice import Chosen, Read
from models.imaging.volumes.stored import unpack_labels, unpack_volume
from models.ingest import RejectedError, ingest
from models.layout import Item
from models.pack import Pack
from models.task import Task
from models.volume import Volume
from tests.models.ingest.scans import (
    OTHER,
    SHAPE,
    SPACING,
    dicom,
    emboli,
    nifti,
    patient,
    patients,
    segmentation,
    series,
    voxels,
)
from tests.models.ingest.uploads import class_folders, packed, picture, table, written, zipped

EMBOLISM = tasks()["pulmonary_embolism"]
Files = dict[str, bytes]


class Taken:
    """A data set of volumes that was taken in: manifest, ledger by file, cases of the pack."""

    def __init__(self, folder: Path, files: Mapping[str, bytes], **options: Any) -> None:
        out = folder / "pack.zip"
        archive = written(folder, options.pop("archive", None) or zipped(files))
        self.ticks: list[tuple[str, int, int]] = []
        self.manifest, lines = ingest(
            archive, EMBOLISM, out, tick=lambda *told: self.ticks.append(told), **options
        )
        self.ledger = {line.file: line for line in lines}
        assert len(self.ledger) == len(lines), "a file has one line"
        assert set(self.ledger) >= set(files), "every file has a line"
        with zipfile.ZipFile(out) as archived:
            assert archived.testzip() is None
        with Pack.open(out) as pack:
            assert pack.manifest == self.manifest
            self.cases = {case.case_id: case for case in pack.cases()}
            self.volumes = {
                case.case_id: unpack_volume(pack.read(case.roles["volume"]))
                for case in pack.cases()
            }
            self.emboli = {
                case.case_id: unpack_labels(pack.read(case.roles["emboli"]))
                for case in pack.cases()
            }

    def case_of(self, file: str) -> str:
        return str(self.ledger[file].case_id)

    def line(self, file: str) -> tuple[str, str | None]:
        return self.ledger[file].fate, self.ledger[file].code

    def lines(self, start: str) -> set[tuple[str, str | None]]:
        return {self.line(file) for file in self.ledger if file.startswith(start)}

    def warnings(self) -> dict[str, Mapping[str, Any]]:
        return {str(said["code"]): said for said in self.manifest.warnings}

    def problems(self) -> dict[str, str]:
        """File named -> code."""
        return {str(said["file"]): said["code"] for said in self.manifest.problems}


def refused(folder: Path, files: Files, task: Task = EMBOLISM, **options: Any) -> RejectedError:
    with pytest.raises(RejectedError) as caught:
        ingest(written(folder, zipped(files)), task, folder / "no.zip", **options)
    return caught.value


USED = {("used", None)}


def test_series_and_masks_become_a_pack(tmp_path: Path) -> None:
    found = Taken(tmp_path, patients(6) | {"README.md": b""})
    manifest = found.manifest
    assert (manifest.layout, manifest.task) == ("dicom_series", EMBOLISM.name)
    assert manifest.classes == ("other", "embolus") and manifest.positive == "embolus"
    assert manifest.class_counts == {"other": 2, "embolus": 4}
    assert manifest.subject_counts == {"other": 2, "embolus": 4}
    assert manifest.counts == {"files": 54, "cases": 6, "subjects": 6, "excluded": 0}
    assert {case.label for case in manifest.cases} == {None}
    assert {case.split for case in manifest.cases} == {"train", "validation", "test"}
    assert [case.subject for case in manifest.cases] == [f"p{k:02d}" for k in range(6)]
    assert found.lines("p") == USED and found.line("README.md") == ("ignored", "document")
    assert not manifest.problems


def test_a_case_holds_its_volume_and_its_emboli(tmp_path: Path) -> None:
    found = Taken(tmp_path, patient("a", 1, 3) | patient("b", 2, 0) | patients(4, 10))
    case = found.case_of("a/ct/00000")
    np.testing.assert_array_equal(found.volumes[case].voxels, voxels(1))
    np.testing.assert_array_equal(found.emboli[case], emboli(3))
    assert found.volumes[case].series_uid == ""
    facts = {"emboli": 3, "shape": list(SHAPE), "spacing_mm": list(SPACING)}
    assert found.cases[case].facts == facts
    assert found.cases[case].roles == {
        "volume": "volumes/000001.vol", "emboli": "emboli/000001.vol",
    }  # fmt: skip
    assert found.ledger["a/mask.nii.gz"].case_id == case
    assert found.ledger["a/ct/00004"].label == "positive"
    assert found.ledger["b/ct/00004"].label == "negative"
    assert not found.emboli[found.case_of("b/ct/00000")].any()


def test_the_pack_depends_neither_on_the_archive_nor_on_the_order_of_its_files(
    tmp_path: Path,
) -> None:
    files = patients(5)
    digests = {
        Taken(tmp_path / kind, files, archive=packed(kind, list(files.items())[::way]))
        .manifest.digest
        for kind, way in (("zip", 1), ("tar", -1), ("tar.gz", 1), ("tar.zst", -1))
    }  # fmt: skip
    assert len(digests) == 1


def test_every_file_read_is_ticked(tmp_path: Path) -> None:
    found = Taken(tmp_path, patients(5))
    reading = [told for told in found.ticks if told[0] == "reading"]
    assert len(reading) > 5 * 2 * SHAPE[0]
    assert {told[2] for told in reading} >= {5} and "comparing" in {told[0] for told in found.ticks}


def test_one_volume_at_a_time_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ref[Volume]] = []

    def watched(item: Item, read: Read) -> Chosen:
        assert all(volume() is None for volume in seen), "the volume before is still held"
        made = choice.chosen(item, read)
        seen.append(ref(made.volume))
        return made

    monkeypatch.setattr(arrivals, "chosen", watched)
    wrong = {"p01/mask.nii.gz": nifti(emboli(1), start_mm=90.0)}  # its volume is read in vain
    assert Taken(tmp_path, patients(5) | wrong).manifest.counts["cases"] == 4
    assert len(seen) == 5


def test_a_folder_goes_in_as_both_commands_pack_it(tmp_path: Path) -> None:
    files = patients(5)
    for name, data in files.items():
        written(tmp_path / "data" / name.rpartition("/")[0], data, name.rpartition("/")[2])
    sent = FolderStream(tmp_path / "data", lambda _: None).read()
    with Pack.open(pack_of(tmp_path / "data", EMBOLISM.name, tmp_path / "out")) as packed_here:
        assert packed_here.manifest == Taken(tmp_path / "sent", files, archive=sent).manifest


def test_positives_and_negatives_are_spread_over_the_parts(tmp_path: Path) -> None:
    found = Taken(tmp_path, patients(18))
    parts = {
        part: [case.facts["emboli"] > 0 for case in found.manifest.cases if case.split == part]
        for part in ("train", "validation", "test")
    }
    assert {part: len(seen) for part, seen in parts.items()} == {
        "train": 12, "validation": 3, "test": 3,
    }  # fmt: skip
    assert all(set(seen) == {True, False} for seen in parts.values())
    assert "class_missing" not in found.warnings()


def test_nifti_files_in_folders_or_side_by_side_are_the_same_volumes(tmp_path: Path) -> None:
    within: Files = {}
    beside: Files = {}
    for k in range(5):
        scan, mask = nifti(voxels(k)), nifti(emboli(k % 3), packed=k % 2 == 0)
        ending = "nii.gz" if k % 2 == 0 else "nii"
        within |= {f"p{k}/ct.nii.gz": scan, f"p{k}/emboli.{ending}": mask}
        beside |= {f"images/p{k}.nii.gz": scan, f"masks/p{k}.{ending}": mask}
    one, two = Taken(tmp_path / "a", within), Taken(tmp_path / "b", beside)
    assert one.manifest.layout == two.manifest.layout == "nifti"
    assert one.manifest.members == two.manifest.members
    assert one.lines("p") == two.lines("") == USED
    assert [case.subject for case in two.manifest.cases] == [
        f"subject_{k:06d}" for k in range(1, 6)
    ]


def test_a_table_says_whose_a_volume_is_and_in_which_part(tmp_path: Path) -> None:
    rows = [["file_name", "mask", "subject", "split"]]
    files: Files = {}
    for k in range(6):
        files |= patient(f"x/{k}", k)
        split = "validation" if k == 5 else "train"
        rows.append([f"x/{k}/ct", f"x/{k}/mask.nii.gz", f"s{k // 2}" if k < 4 else f"t{k}", split])
    files |= {"x/6.nii.gz": nifti(voxels(6)), "x/6.bin": nifti(emboli(1))}
    rows.append(["x/6.nii.gz", "x/6.bin", "u", "train"])
    found = Taken(tmp_path, files | {"metadata.csv": table(*rows), "x/old/a": b"1", "x/b.png": b""})
    assert found.manifest.layout == "metadata_csv"
    assert [case.subject for case in found.manifest.cases] == [
        "s0", "s0", "s1", "s1", "t4", "t5", "u",
    ]  # fmt: skip
    assert found.manifest.splits == {"train": 6, "validation": 1, "test": 0}
    assert found.lines("x/0") | found.lines("x/6") == USED
    assert found.line("x/old/a")[1] == "unknown_kind" and found.line("x/b.png")[1] == "not_listed"


def test_a_volume_of_one_file_needs_no_telling_name_in_a_table(tmp_path: Path) -> None:
    files = {f"{k}": nifti(voxels(k)) for k in range(5)} | {
        f"m{k}": nifti(emboli(1)) for k in range(5)
    }
    rows = [["file_name", "mask"], *([f"{k}", f"m{k}"] for k in range(5)), ["p.png", "m0"]]
    found = Taken(tmp_path, files | {"metadata.csv": table(*rows), "p.png": picture(1)})
    assert found.manifest.counts["cases"] == 5
    assert found.line("p.png") == ("excluded", "not_a_volume")


def test_no_mask_leaves_a_case_out_and_says_so_once(tmp_path: Path) -> None:
    files = patients(5) | series("q/ct", voxels(9)) | {"r/ct.nii.gz": nifti(voxels(8))}
    found = Taken(tmp_path, files)
    assert found.lines("q/") == found.lines("r/") == {("excluded", "no_mask")}
    assert found.problems() == {"q/ct/00000": "no_mask", "r/ct.nii.gz": "no_mask"}
    said = found.manifest.problems[0]["detail"]
    assert "q/ct" in said and f"and {SHAPE[0] - 1} more files" in said
    assert found.manifest.counts["excluded"] == SHAPE[0] + 1


def test_the_only_plausible_series_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    scout = series("q/scout", voxels(50)[:2], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    bolus = {f"q/bolus/{k}": dicom(voxels(60)[k], f"1.2.{k}", "1.2.9", 4.0) for k in range(6)}
    mr = series("q/mr", voxels(51), Modality="MR")
    odd = {"q/ct/notes": b"no slice", "q/report.pdf": b"", "q/ct/VERSION": b"7"}
    found = Taken(tmp_path, patients(5) | patient("q", 7) | scout | bolus | mr | odd)
    assert found.lines("q/scout") | found.lines("q/bolus") | found.lines("q/mr") == {
        ("ignored", "other_series")
    }
    assert found.line("q/ct/notes") == ("unreadable", "not_dicom")
    assert found.line("q/report.pdf") == ("ignored", "document")
    assert found.line("q/ct/00000") == found.line("q/mask.nii.gz") == ("used", None)
    np.testing.assert_array_equal(found.volumes[found.case_of("q/ct/00000")].voxels, voxels(7))
    assert "localizer" in str(found.ledger["q/scout/00000"].detail)
    assert found.problems() == {"q/ct/notes": "not_dicom"}


@pytest.mark.parametrize("folders", [("q/thin", "q/thick"), ("q/all", "q/all")])
def test_two_plausible_series_are_never_mixed(folders: tuple[str, str], tmp_path: Path) -> None:
    one, two = series(folders[0], voxels(70)), series(f"{folders[1]}", voxels(71), uid="1.2.3")
    both = one | {f"{name}b": data for name, data in two.items()}
    found = Taken(tmp_path, patients(5) | both | {"q/mask.nii.gz": nifti(emboli(1))})
    assert found.lines("q/") == {("excluded", "several_series")}
    detail = str(found.ledger[f"{folders[0]}/00000"].detail)
    assert "8 slices 16 x 16, 2.00 mm apart" in detail
    assert "1.2.3" not in detail, "identifiers are no facts for a message"
    assert "left out with" in str(found.ledger["q/mask.nii.gz"].detail)


def test_series_in_folders_with_masks_of_their_own_are_cases_of_one_patient(tmp_path: Path) -> None:
    found = Taken(tmp_path, patients(5) | patient("q/before", 20, 0) | patient("q/after", 21, 2))
    cases = [case for case in found.manifest.cases if case.subject == "q"]
    assert [case.facts["emboli"] for case in cases] == [2, 0]
    assert len({case.split for case in cases}) == 1
    assert found.manifest.counts["subjects"] == 6


def test_a_doubled_slice_is_used_once_and_noted(tmp_path: Path) -> None:
    one = patient("q", 30)
    found = Taken(tmp_path, patients(5) | one | {"q/ct/copy": one["q/ct/00000"]})
    fates = [found.line("q/ct/00000"), found.line("q/ct/copy")]
    assert sorted(fates) == [("ignored", "doubled_slice"), ("used", "doubled_slices")]
    assert found.warnings()["doubled_slices"]["count"] == 1
    assert found.manifest.counts["files"] == 54


def test_a_segmentation_is_a_mask_without_being_named_so(tmp_path: Path) -> None:
    files = patients(5) | series("q/1", voxels(40)) | {"q/2/a": segmentation(emboli(2))}
    found = Taken(tmp_path, files)
    assert found.lines("q/") == USED
    np.testing.assert_array_equal(found.emboli[found.case_of("q/2/a")], emboli(2))


def test_a_mask_may_be_a_second_series(tmp_path: Path) -> None:
    mask = emboli(2).astype(np.int16) - 1024  # stored as 0, 1, 2
    files = series("q/ct", voxels(41)) | series("q/emboli", mask, uid="1.2.7", RescaleIntercept=0)
    found = Taken(tmp_path, patients(5) | files)
    assert found.lines("q/") == USED
    np.testing.assert_array_equal(found.emboli[found.case_of("q/ct/00000")], emboli(2))


def test_one_file_for_each_embolus_and_the_lung_beside_them(tmp_path: Path) -> None:
    first, second = emboli(2) == 1, emboli(2) == 2
    files = series("q/ct", voxels(42)) | {
        "q/emboli_1.nii.gz": nifti(first.astype(np.uint8)),
        "q/emboli_2.nii.gz": nifti(second.astype(np.uint8)),
        "q/lung_mask.nii.gz": nifti(np.ones(SHAPE, np.uint8)),
    }
    lungs = series("r/ct", voxels(43)) | {
        "r/a_mask.nii.gz": nifti(emboli(1)), "r/b_mask.nii.gz": nifti(emboli(1)),
    }  # fmt: skip
    found = Taken(tmp_path, patients(5) | files | lungs)
    assert found.line("q/lung_mask.nii.gz") == ("ignored", "other_mask")
    np.testing.assert_array_equal(found.emboli[found.case_of("q/ct/00000")], emboli(2))
    assert found.lines("r/") == {("excluded", "several_masks")}
    assert "left out with r/a_mask.nii.gz" in str(found.ledger["r/ct/00000"].detail)


def test_what_is_wrong_with_one_case_leaves_the_others(tmp_path: Path) -> None:
    whole = patient("a", 80)
    cut = patient("b", 81)
    cut["b/ct/00003"] = cut["b/ct/00003"][:-200]
    other = patient("c", 82) | {"c/mask.nii.gz": nifti(emboli(1), start_mm=90.0)}
    odd = patient("d", 83) | {"d/mask.nii.gz": b"no nifti"}
    hole = patient("e", 84)
    gone = sorted(hole)[2:7]
    hole = {name: data for name, data in hole.items() if name not in gone}
    nope = {"f/ct.nii.gz": b"nothing", "f/mask.nii.gz": nifti(emboli(1))}
    floats = patient("g", 85) | {"g/mask.nii.gz": nifti(emboli(1).astype(np.float32) / 2)}
    found = Taken(tmp_path, patients(5) | whole | cut | other | odd | hole | nope | floats)
    assert found.lines("a/") == USED
    assert found.line("b/ct/00003") == ("unreadable", "damaged_pixels")
    assert found.line("b/ct/00001") == found.line("b/mask.nii.gz") == ("excluded", "damaged_pixels")
    assert found.line("c/mask.nii.gz") == ("excluded", "mask_elsewhere")
    assert found.line("d/mask.nii.gz")[0] == "unreadable"
    assert found.lines("e/") == {("excluded", "few_slices")}
    assert found.line("f/ct.nii.gz") == ("unreadable", "not_nifti")
    assert found.line("g/mask.nii.gz") == ("excluded", "mask_not_labels")
    assert {"b/ct/00003", "c/mask.nii.gz", "f/ct.nii.gz"} <= set(found.problems())
    assert found.manifest.counts["cases"] == 6


def test_bytes_damaged_in_the_archive_cost_one_case(tmp_path: Path) -> None:
    files = patients(5) | patient("q", 44)
    data = bytearray(zipped(files, zipfile.ZIP_STORED))
    at = data.find(files["q/ct/00002"]) + 400
    data[at] ^= 255
    found = Taken(tmp_path, files, archive=bytes(data))
    assert found.line("q/ct/00002") == ("unreadable", "corrupt_member")
    assert found.line("q/ct/00001") == ("excluded", "corrupt_member")
    assert found.manifest.counts["cases"] == 5


def test_the_same_scan_twice_is_found_and_kept_on_one_side(tmp_path: Path) -> None:
    twice = series("q/ct", voxels(3)[1:], start_mm=2.0) | {"q/mask.nii.gz": nifti(emboli(1))}
    again = {"r/ct.nii.gz": nifti(voxels(3)), "r/mask.nii.gz": nifti(emboli(0))}
    found = Taken(tmp_path, patients(8) | twice | again)
    said = found.warnings()
    assert said["near_duplicates"]["count"] == 3
    assert said["near_duplicates_disagree"]["count"] == 2
    parts = {case.split for case in found.manifest.cases if case.subject in ("p03", "q", "r")}
    assert len(parts) == 1

    files = {f"images/{k}.nii.gz": nifti(voxels(k % 5)) for k in range(6)}
    files |= {f"masks/{k}.nii.gz": nifti(emboli(1)) for k in range(6)}
    joined = Taken(tmp_path / "joined", files).manifest
    assert joined.counts["subjects"] == 5
    assert joined.cases[0].subject == joined.cases[5].subject


def test_a_given_split_is_kept_and_a_patient_in_two_of_its_parts_is_refused(tmp_path: Path) -> None:
    files: Files = {}
    for k in range(6):
        files |= patient(f"{'val' if k == 5 else 'train'}/p{k}", k)
    found = Taken(tmp_path, files)
    assert found.manifest.split_origin == "given"
    assert found.manifest.splits == {"train": 5, "validation": 1, "test": 0}
    error = refused(tmp_path, files | patient("train/p5", 90))
    assert error.problems[0]["code"] == "split_leak"


def test_a_set_below_the_floor_is_taken_and_warned_of(tmp_path: Path) -> None:
    found = Taken(tmp_path, patients(4))
    assert "4 subjects; at least 5" in found.warnings()["below_floor"]["detail"]
    empty: Files = {}
    for k in range(6):
        empty |= patient(f"p{k}", k, 0)
    said = [w["detail"] for w in Taken(tmp_path / "e", empty).manifest.warnings]
    assert any("shows nothing" in detail for detail in said)
    full: Files = {}
    for k in range(6):
        full |= patient(f"p{k}", k, 1)
    assert "no_negatives" in Taken(tmp_path / "f", full).warnings()


def test_only_the_tasks_own_positive_is_accepted(tmp_path: Path) -> None:
    assert Taken(tmp_path, patients(5), positive="embolus").manifest.positive == "embolus"
    error = refused(tmp_path, patients(5), positive="other")
    assert error.problems[0]["code"] == "positive_unknown"
    assert "embolus is positive" in str(error.problems[0]["detail"])


def test_images_are_no_volumes_and_volumes_no_images(tmp_path: Path) -> None:
    error = refused(tmp_path, class_folders())
    assert error.problems[0]["code"] == "layout_not_accepted"
    for files in (patients(2), {"a/ct.nii.gz": nifti(voxels(1)), "b/ct.nii.gz": nifti(voxels(2))}):
        for name in ("classification", "polyp"):
            error = refused(tmp_path, files, tasks()[name])
            assert error.problems[0]["code"] == "layout_not_accepted"
    rows = table(["file_name", "label"], ["a.png", "x"], ["p00/ct", "y"])
    files = patients(1) | {"a.png": picture(1), "metadata.csv": rows}
    manifest, ledger = ingest(
        written(tmp_path, zipped(files)), tasks()["classification"], tmp_path / "c.zip"
    )
    assert manifest.counts["cases"] == 1
    codes = {line.file: line.code for line in ledger}
    assert codes["p00/ct/00000"] == "not_an_image"


def test_an_upload_of_which_nothing_is_left_says_why(tmp_path: Path) -> None:
    error = refused(tmp_path, series("a", voxels(1)) | series("b", voxels(2)))
    assert [(said["code"], said["file"]) for said in error.problems] == [
        ("no_cases", None), ("no_mask", "a/00000"), ("no_mask", "b/00000"),
    ]  # fmt: skip
    assert len(error.ledger) == 2 * SHAPE[0]


def test_files_that_two_rows_claim_are_nobodys(tmp_path: Path) -> None:
    files = patients(6)
    rows = [["file_name", "mask"], *([f"p{k:02d}/ct", f"p{k:02d}/mask.nii.gz"] for k in range(5)),
            ["p05/ct", "p04/mask.nii.gz"]]  # fmt: skip
    found = Taken(tmp_path, files | {"metadata.csv": table(*rows)})
    assert found.lines("p04") == {("excluded", "shared_files")}
    assert found.line("p05/ct/00000") == ("excluded", "shared_files")
    assert found.manifest.counts["cases"] == 4


def test_a_scan_of_something_else_is_refused_with_its_reason(tmp_path: Path) -> None:
    mr = series("q", voxels(1), Modality="MR") | {"q/mask.nii": nifti(emboli(1), packed=False)}
    pictures = {"r/a.dcm": dicom(voxels(2)[0], "1.2.4", "1.2.5", 0.0, SOPClassUID=OTHER)}
    found = Taken(tmp_path, patients(5) | mr | pictures | {"r/mask.nii.gz": nifti(emboli(1))})
    assert found.lines("q/") == {("excluded", "not_ct")}
    assert found.lines("r/") == {("excluded", "few_slices")}
