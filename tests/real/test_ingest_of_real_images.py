"""The door on real public images: known near-duplicates, noisy masks, mixed colour modes."""

import csv
import time
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from models.discovery import tasks
from models.ingest import ingest
from models.pack import Manifest

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real images are not at {DATA}"),
]
CLASSES = tasks()["classification"]
MAPS = replace(
    CLASSES, name="maps", output="map", classes=(), layouts=("metadata_csv", "image_mask_pairs")
)


def taken(name: str, folder: Path, task: Any, keep: int = 1) -> tuple[Manifest, float]:
    """The manifest of a data set (every `keep`-th file), and the seconds of processor it took."""
    upload = folder / "upload.zip"
    with zipfile.ZipFile(upload, "w") as archive:
        for file in sorted(path for path in (DATA / name).rglob("*") if path.is_file())[::keep]:
            archive.write(file, file.relative_to(DATA / name))
    start = time.process_time()
    manifest, _ = ingest(upload, task, folder / "pack.zip")
    return manifest, time.process_time() - start


def pairs(manifest: Manifest) -> set[tuple[str, str]]:
    """All near-duplicate pairs named; the limit on what one warning names is not reached here."""
    return {
        (first, second)
        for warning in manifest.warnings
        if warning["code"] in ("near_duplicates", "near_duplicates_across_splits")
        for first, second in warning["pairs"]
    }


def shared_subjects(name: str) -> Mapping[str, str]:
    with (DATA / name / "metadata.csv").open(newline="") as file:
        return {row["file_name"]: row["subject"] for row in csv.DictReader(file)}


def test_busi_is_548_cases_whose_subjects_are_honoured(tmp_path: Path) -> None:
    manifest, seconds = taken("busi", tmp_path, CLASSES)
    subject_of = shared_subjects("busi")
    assert manifest.layout == "metadata_csv"
    assert manifest.counts["cases"] == 548
    assert manifest.counts["subjects"] == len(set(subject_of.values()))
    parts: dict[str, set[str]] = {}
    for case in manifest.cases:
        parts.setdefault(case.subject, set()).add(str(case.split))
    assert all(len(part) == 1 for part in parts.values())
    assert seconds < 20

    found = pairs(manifest)
    by_subject: dict[str, list[str]] = {}
    for file in sorted(subject_of):
        by_subject.setdefault(subject_of[file], []).append(file)
    true = {pair for files in by_subject.values() for pair in combinations(files, 2)}
    assert len(found & true) >= 0.95 * len(true)
    # the rest were looked at: they are repeats too, that the subjects of this table miss
    assert len(found - true) <= 20
    assert ("benign/benign_333.png", "malignant/malignant_77.png") in found
    disagree = [w for w in manifest.warnings if w["code"] == "near_duplicates_disagree"]
    assert disagree[0]["count"] >= 1


def test_busi_by_folders_alone_keeps_repeats_together(tmp_path: Path) -> None:
    upload = tmp_path / "upload.zip"
    with zipfile.ZipFile(upload, "w") as archive:
        for file in sorted((DATA / "busi").glob("*/*.png")):
            archive.write(file, file.relative_to(DATA / "busi"))
    manifest, _ = ingest(upload, CLASSES, tmp_path / "pack.zip")
    assert manifest.layout == "class_folders"
    codes = {warning["code"] for warning in manifest.warnings}
    assert "near_duplicates" in codes
    assert "near_duplicates_across_splits" not in codes


def test_kvasir_has_three_near_duplicates_and_no_false_one(tmp_path: Path) -> None:
    manifest, _ = taken("kvasir-seg", tmp_path, MAPS)
    assert manifest.splits == {"train": 800, "validation": 100, "test": 0}
    assert manifest.classes == ("class_1",)
    assert {
        tuple(Path(file).stem for file in pair) for pair in pairs(manifest)
    } == {("459", "620"), ("510", "593"), ("300", "667")}  # fmt: skip


def test_palette_masks_are_label_maps(tmp_path: Path) -> None:
    manifest, _ = taken("usgra-seg", tmp_path, MAPS)
    assert manifest.counts["cases"] == 204
    assert manifest.classes == ("class_1", "class_2")
    assert manifest.problems == ()
