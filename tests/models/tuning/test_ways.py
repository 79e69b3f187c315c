"""A task's other way from an archive to a model, and both ways in one table."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.__main__ import main
from models.discovery import tasks
from models.imaging.wall.patchwise import CLASSES

PATIENTS = 7  # left and right of each


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("carotids") / "carotids.zip"
    with zipfile.ZipFile(out, "w") as zipped:
        for k in range(PATIENTS):
            for name, content in (
                tasks()["intima_media"].phantom(np.random.default_rng([3, k]), k).files.items()
            ):
                zipped.writestr(name, content)
    return out


def tuned(archive: Path, out: Path, *more: str) -> dict[str, object]:
    given = ["tune", str(archive), "--task", "intima_media", "--out", str(out),
             "--backbone", "tiny", "--arms", "depth:6", *more]  # fmt: skip
    assert main(given) == 0
    found: dict[str, object] = json.loads((out / "model" / "card.json").read_text())
    return found


def test_both_ways_are_tuned_on_the_same_data_and_stand_in_one_table(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tuned(archive, tmp_path / "patches", "--preset", "patches", "--epochs", "3")
    assert card["task"] == "intima_media" and card["classes"] == list(CLASSES)
    assert card["calibration"]["method"] == "temperature over places"
    assert card["calibration"]["places"] > 100
    assert card["validation"]["agreement"]["value"] > 0.3  # of one that knows nothing it is 0
    assert card["validation"]["lumen_intima_um"]["value"] < 600
    assert set(card["test"]) >= {"agreement", "lumen_intima_um", "imt_bias_um"}
    maps = tuned(archive, tmp_path / "maps", "--epochs", "2")
    assert maps["classes"] == ["lumen", "intima_media", "adventitia"]
    assert maps["dataset"]["digest"] == card["dataset"]["digest"]
    capsys.readouterr()
    models = [str(tmp_path / way / "model") for way in ("patches", "maps")]
    assert main(["compare", str(archive), *models]) == 0
    shown = capsys.readouterr().out
    assert "patches, tiny, depth:6" in shown and "modern, tiny, depth:6" in shown
    assert "media_adventitia_um" in shown and "seconds a case" in shown


def test_a_way_that_a_task_has_not_is_named_before_anything_is_trained(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["tune", str(archive), "--task", "polyp", "--out", str(tmp_path), "--preset", "patches"]
    assert main(given) == 2
    assert not (tmp_path / "runs").exists()
    capsys.readouterr()
