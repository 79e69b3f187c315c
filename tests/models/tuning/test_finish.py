"""From a sweep's runs to a model: a whole small sweep, calibrated, exported, described."""

import hashlib
import json
import zipfile

import numpy as np
import pytest

from models import __main__ as command
from models.discovery import backbones, tasks
from models.inference import runtime
from models.inference.predict import labels_of
from models.measures import load, save
from models.spec import Numerics, recipe
from models.tuning.finish import export as exporting
from models.tuning.finish.evaluate import network_of
from models.tuning.finish.export import ExportError, export
from models.tuning.local import Plan, tune


@pytest.fixture(scope="module")
def plan(pack, tiny_weights, tmp_path_factory) -> Plan:
    return Plan(
        pack=pack, task=tasks()["classification"], backbone=backbones()["tiny"],
        weights=tiny_weights, init="imagenet", arms=["depth:1", "depth:6", "scratch"],
        policy="exhaustive", recipe=recipe(epochs=6, batch_size=8),
        numerics=Numerics("cpu", "float32", 1), folder=tmp_path_factory.mktemp("sweep"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(plan):
    return tune(plan)


def test_the_sweep_ends_in_a_model_of_the_chosen_arm(plan, made) -> None:
    assert made.choice.arm in ("depth:1", "depth:6")
    assert made.card["arm"] == made.choice.arm
    assert made.card["test"]["auc"]["value"] == pytest.approx(1.0)  # bright squares are easy
    assert len(made.validation) == 10 and len(made.test) == 10
    assert next(iter(made.card["validation"])) == made.card["headline"] == "auc"
    assert json.loads((plan.folder / "model" / "card.json").read_text()) == made.card


def test_the_card_names_files_by_their_digests(plan, made) -> None:
    for name, digest in made.card["digests"].items():
        content = (plan.folder / "model" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest


def test_the_card_holds_no_case_and_no_file_of_the_user(made) -> None:
    text = json.dumps(made.card)
    assert "case_0" not in text and '"s1"' not in text


def test_the_exported_network_gives_the_measured_scores(plan, made) -> None:
    network = runtime.load(plan.folder / "model" / "model.onnx", bf16=False)
    patches = np.zeros((3, 64, 64, 3), dtype=np.uint8)
    assert network.run(patches).sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert made.card["verification"]["max_difference"] <= exporting.TOLERANCE


def test_an_export_that_answers_differently_is_refused(plan, made, tmp_path, monkeypatch) -> None:
    network = network_of(made.run.spec, made.run.weights)
    monkeypatch.setattr(exporting, "_difference", lambda *_: 0.01)
    patches = np.zeros((3, 64, 64, 3), dtype=np.uint8)
    with pytest.raises(ExportError, match=r"differ from torch by 0\.01"):
        export(network, plan.backbone, 1.0, patches, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_started_again_trains_nothing_again(plan, made) -> None:
    told: list[tuple[str, object]] = []
    again = tune(plan, lambda arm, news: told.append((arm, news)))
    assert told == [(arm, "converged") for arm in ("depth:1", "depth:6", "scratch")]
    assert again.card == made.card


def test_calibration_is_reported_before_and_after(made) -> None:
    found = made.card["calibration"]
    assert found["temperature"] > 0
    assert set(found["before"]) == set(found["after"]) == {"ece", "brier"}


def test_measures_come_back_bit_for_bit(made) -> None:
    labels = labels_of(made.card)
    rows, kept = load(save(made.validation, labels))
    assert kept == labels
    for before, after in zip(made.validation, rows, strict=True):
        assert (before.case_id, before.truth) == (after.case_id, after.truth)
        assert np.array_equal(before.scores, after.scores)


def test_evaluate_and_predict_from_the_command_line(plan, made, pack, tmp_path, capsys) -> None:
    model = str(plan.folder / "model")
    assert command.main(["evaluate", model, str(pack), "--split", "test"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["cases"] == 10
    assert shown["auc"]["value"] == pytest.approx(made.card["test"]["auc"]["value"])
    with zipfile.ZipFile(pack) as archive:
        (tmp_path / "image.png").write_bytes(archive.read("images/000048.png"))
    assert (
        command.main(["predict", model, str(tmp_path / "image.png"), "--operating-point", "youden"])
        == 0
    )
    assert json.loads(capsys.readouterr().out)["finding"]["label"] == "bright"
    assert command.main(["predict", model, str(tmp_path / "absent.png")]) == 2


def test_describe_names_every_task_and_backbone(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert command.main(["describe"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*tasks(), *backbones()))
