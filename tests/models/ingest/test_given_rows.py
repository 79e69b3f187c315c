"""What a table says of its files: labels, subjects, splits; and pictures nearly the same."""

from pathlib import Path

from tests.models.ingest.outcomes import codes, of, refusal, taken
from tests.models.ingest.uploads import class_folders, picture, table


def rows(*given: tuple[str, str, str, str]) -> dict[str, bytes]:
    """Rows (file, label, subject, split) and the pictures they name."""
    sheet = table(("file_name", "label", "subject", "split"), *given)
    return {"metadata.csv": sheet} | {row[0]: picture(k) for k, row in enumerate(given)}


def test_a_given_split_and_given_subjects_are_honoured(tmp_path: Path) -> None:
    given = [
        ("1.png", "x", "p", "train"), ("2.png", "y", "p", "train"), ("3.png", "x", "q", "val"),
        ("4.png", "y", "r", "test"),
    ]  # fmt: skip
    manifest, ledger = taken(tmp_path, rows(*given))
    assert manifest.split_origin == "given"
    assert [(c.subject, c.label, c.split) for c in manifest.cases] == [
        ("p", "x", "train"),
        ("p", "y", "train"),
        ("q", "x", "validation"),
        ("r", "y", "test"),
    ]
    assert manifest.subject_counts == {"x": 2, "y": 2}
    assert ledger["3.png"].split == "validation"
    assert "few_subjects" in codes(manifest)
    assert "below_floor" in codes(manifest)


def test_a_leak_across_a_given_split_is_refused_naming_the_subjects(tmp_path: Path) -> None:
    given = [
        ("1.png", "x", "anna", "train"), ("2.png", "y", "anna", "test"),
        ("3.png", "x", "bert", "train"), ("4.png", "y", "carl", "validation"),
        ("5.png", "y", "carl", "train"),
    ]  # fmt: skip
    error = refusal(tmp_path, rows(*given))
    assert {problem["code"] for problem in error.problems} == {"split_leak"}
    said = " ".join(str(problem["detail"]) for problem in error.problems)
    assert "subject anna is in test and in train" in said
    assert "subject carl is in train and in validation" in said
    assert "bert" not in said


def test_a_drawn_split_never_divides_a_subject(tmp_path: Path) -> None:
    given = [(f"{k:02d}.png", "xy"[k % 2], f"p{k // 4}", "") for k in range(40)]
    manifest, _ = taken(tmp_path, rows(*given))
    parts: dict[str, set[str]] = {}
    for case in manifest.cases:
        parts.setdefault(case.subject, set()).add(str(case.split))
    assert len(parts) == 10
    assert all(len(part) == 1 for part in parts.values())
    assert all(manifest.splits.values())


def test_a_split_without_validation_or_test_is_completed_and_said(tmp_path: Path) -> None:
    given = [(f"{k:02d}.png", "xy"[k % 2], "", "train") for k in range(20)]
    manifest, _ = taken(tmp_path, rows(*given))
    assert manifest.split_origin == "given_validation_drawn"
    assert manifest.splits == {"train": 16, "validation": 4, "test": 0}
    assert "no_test_part" in codes(manifest)


def test_rows_that_say_too_little_are_left_out(tmp_path: Path) -> None:
    given = [("1.png", "x", "", ""), ("2.png", "y", "", ""), ("3.png", "", "", ""),
             ("4.png", "x", "", "tomorrow")]  # fmt: skip
    files = rows(*given)
    files["metadata.csv"] += b"\ngone.png,x,,"
    files["extra.png"] = picture(9)
    manifest, ledger = taken(tmp_path, files)
    assert {name: ledger[name].code for name in ("3.png", "4.png", "gone.png", "extra.png")} == {
        "3.png": "no_label",
        "4.png": "unknown_split",
        "gone.png": "missing_file",
        "extra.png": "not_listed",
    }
    assert manifest.counts == {"files": 6, "cases": 2, "subjects": 2, "excluded": 4}


def test_near_duplicates_without_a_subject_are_one_subject(tmp_path: Path) -> None:
    files = class_folders(6)
    files["benign/copy.jpg"] = picture(0, format="JPEG", quality=80)
    manifest, ledger = taken(tmp_path, files)
    assert ledger["benign/copy.jpg"].subject == ledger["benign/000.png"].subject
    assert ledger["benign/copy.jpg"].split == ledger["benign/000.png"].split
    assert of(manifest, "near_duplicates")["pairs"] == [["benign/000.png", "benign/copy.jpg"]]
    assert manifest.counts["subjects"] == 12


def test_near_duplicates_across_a_given_split_are_named(tmp_path: Path) -> None:
    files = {f"train/{name}": data for name, data in class_folders(4).items()}
    files |= {"test/benign/x.png": picture(0), "test/malignant/y.png": picture(5000)}
    manifest, _ = taken(tmp_path, files)
    warning = of(manifest, "near_duplicates_across_splits")
    assert warning["pairs"] == [["test/benign/x.png", "train/benign/000.png"]]
    assert "test/benign/x.png = train/benign/000.png" in warning["detail"]
    assert "near_duplicates" not in codes(manifest)


def test_near_duplicates_with_different_labels_are_named(tmp_path: Path) -> None:
    manifest, _ = taken(tmp_path, {**class_folders(4), "malignant/same.png": picture(0)})
    assert of(manifest, "near_duplicates_disagree")["count"] == 1
