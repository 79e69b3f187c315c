"""The science from a terminal: a model is asked about a volume in any of its forms."""

import json
from pathlib import Path

import pytest

from models.__main__ import main
from models.discovery import tasks
from tests import spots
from tests.app.predictions import colours

TASK = "pulmonary_embolism"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with a network and its card."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(colours.network(2))
    card = {
        "task": TASK, "edition": tasks()[TASK].edition, "classes": ["other", "embolus"],
        "positive": "embolus", "serving": {},
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_a_folder_a_zip_and_a_nifti_file_are_answered_line_by_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = spots.dicom(series_uid="1.2.3")
    folder = spots.unpacked(files, tmp_path / "patient")
    (tmp_path / "patient.zip").write_bytes(spots.zipped(files))
    (tmp_path / "patient.nii").write_bytes(spots.nifti())
    asked = [folder, tmp_path / "patient.zip", tmp_path / "patient.nii"]
    assert main(["predict", str(model), *map(str, asked)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [str(path) for path in asked]
    assert all(set(line["finding"]) == {"present", "score", "emboli"} for line in lines)


def test_a_model_that_its_task_has_outgrown_is_refused_and_the_way_out_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps({**card, "edition": "of another forest"}))
    (tmp_path / "patient.nii").write_bytes(spots.nifti())
    assert main(["predict", str(model), str(tmp_path / "patient.nii")]) == 2
    assert "sweep again" in " ".join(capsys.readouterr().err.split())


def test_a_file_that_holds_several_series_asks_which(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = spots.dicom(series_uid="1.2.3"), spots.dicom(series_uid="1.2.4", folder="b")
    path = tmp_path / "both.zip"
    path.write_bytes(spots.zipped(one, other))
    assert main(["predict", str(model), str(path)]) == 2
    assert "several_series" in capsys.readouterr().err
    assert main(["predict", str(model), str(path), "--series-uid", "1.2.4"]) == 0
