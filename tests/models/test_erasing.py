"""A pack without a subject holds nothing of it, and the rest as it was."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models import measures, pack
from models.erasing import ERASED, LastSubjectError, measures_without, scrubbed, without_subject
from models.findings import Labels, Measure
from models.pack import Manifest, Pack, PackedCase
from models.tasks.classification import TASK

FILES = ("benign/Schmidt_Anna/1.png", "benign/Schmidt_Anna/2.png", "benign/Schmidt_Anna/bad.png")
WARNINGS = (
    {"code": "near_duplicates", "count": 1, "detail": f"1 pair: {FILES[0]} = benign/p02/3.png",
     "pairs": [[FILES[0], "benign/p02/3.png"]]},
    {"code": "exif_rotated", "detail": "1 image(s)", "files": [FILES[1]]},
)  # fmt: skip


def packed(path: Path, subjects: tuple[str, ...] = ("Schmidt_Anna", "Schmidt_Anna", "p02")) -> Path:
    with pack.writing(path) as writer:
        cases = []
        for number, subject in enumerate(subjects, 1):
            member = f"images/{number:06d}.png"
            writer.add(member, f"pixels of {subject} {number}".encode())
            label = "malignant" if number == 2 else "benign"
            cases.append(PackedCase(f"case_{number:06d}", subject, {"image": member}, label,
                                    "train" if number < 3 else "test"))  # fmt: skip
        writer.finish(
            Manifest(
                TASK.name, "class_folders", ("benign", "malignant"), tuple(cases), writer.members,
                counts={"files": 4, "cases": 3, "subjects": 2, "excluded": 1},
                class_counts={"benign": 2, "malignant": 1},
                subject_counts={"benign": 2, "malignant": 1},
                splits={"train": 2, "validation": 0, "test": 1},
                problems=({"file": FILES[2], "code": "damaged_image", "detail": "cut off"},),
                warnings=WARNINGS,
            )
        )  # fmt: skip
    return path


def test_the_new_pack_has_neither_members_nor_names_of_the_subject(tmp_path: Path) -> None:
    old, new = packed(tmp_path / "old.zip"), tmp_path / "new.zip"
    made = without_subject(old, "Schmidt_Anna", FILES, new)
    content = new.read_bytes()
    assert b"Schmidt" in old.read_bytes() and b"Schmidt" not in content
    assert zipfile.ZipFile(new).namelist() == ["images/000003.png", "manifest.json"]
    with Pack.open(new) as opened:
        assert opened.manifest == made and opened.manifest.digest == made.digest
        (case,) = opened.cases()
        assert case.open(case.roles["image"]) == b"pixels of p02 3"
    assert (case.case_id, case.subject, case.split) == ("case_000003", "p02", "test")


def test_counts_are_those_of_the_rest(tmp_path: Path) -> None:
    made = without_subject(packed(tmp_path / "a.zip"), "Schmidt_Anna", FILES, tmp_path / "b.zip")
    assert made.counts == {"files": 1, "cases": 1, "subjects": 1, "excluded": 0}
    assert made.class_counts == {"benign": 1, "malignant": 0}
    assert made.subject_counts == {"benign": 1, "malignant": 0}
    assert made.splits == {"train": 0, "validation": 0, "test": 1}
    assert made.problems == ()
    assert made.warnings[0]["pairs"] == [[ERASED, "benign/p02/3.png"]]
    assert made.warnings[0]["detail"] == f"1 pair: {ERASED} = benign/p02/3.png"
    assert made.warnings[1]["files"] == [ERASED]


def test_the_digest_does_not_depend_on_when_it_was_erased(tmp_path: Path) -> None:
    old = packed(tmp_path / "a.zip")
    one, two = (
        without_subject(old, "p02", ("x.png",), tmp_path / name) for name in ("1.zip", "2.zip")
    )
    assert one.digest == two.digest
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_the_last_subject_is_not_taken_out(tmp_path: Path) -> None:
    with pytest.raises(LastSubjectError):
        without_subject(packed(tmp_path / "a.zip", ("p02",)), "p02", (), tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_volumes_are_counted_by_what_they_show(tmp_path: Path) -> None:
    with pack.writing(tmp_path / "v.zip") as writer:
        cases = []
        for number, emboli in enumerate((2, 0), 1):
            writer.add(f"volumes/{number}.vol", b"v")
            roles = {"volume": f"volumes/{number}.vol"}
            cases.append(PackedCase(f"case_{number}", f"p{number}", roles, split="train",
                                    facts={"emboli": emboli}))  # fmt: skip
        counts = {"vessel": 1, "embolus": 1}
        writer.finish(Manifest("pulmonary_embolism", "nifti", ("vessel", "embolus"), tuple(cases),
                               writer.members, class_counts=counts))  # fmt: skip
    made = without_subject(tmp_path / "v.zip", "p1", (), tmp_path / "w.zip")
    assert made.class_counts == {"vessel": 1, "embolus": 0}


@pytest.mark.parametrize(
    ("subject", "text", "left"),
    [
        ("Meier", "Meier and Meierhof: a/Meier/1.png", f"{ERASED} and Meierhof: a/{ERASED}/1.png"),
        ("7", "7 pairs", "7 pairs"),
        ("7", "7", ERASED),
        ("p-1", "p-1 p-12", f"{ERASED} p-12"),
    ],
)
def test_a_name_is_taken_out_where_it_stands_as_a_word(subject: str, text: str, left: str) -> None:
    assert scrubbed({"detail": [text]}, subject, ()) == {"detail": [left]}


def test_outputs_lose_the_rows_of_the_subject_and_keep_the_others_bit_for_bit() -> None:
    rows = [Measure(f"case_{k}", name, k % 2, np.array([0.1 * k, 1 - 0.1 * k]))
            for k, name in enumerate(("p1", "p2", "p1"))]  # fmt: skip
    labels = Labels(("benign", "malignant"), "malignant")
    content = measures.save(rows, labels)
    made = measures_without(content, "p1")
    assert made is not None and b"p1" not in made
    (left,), said = measures.load(made)
    assert (left.case_id, said) == ("case_1", labels)
    assert json.loads(made)["rows"][0] == json.loads(content)["rows"][1]
    assert measures_without(content, "p3") is None
