"""What the commands send and what they print."""

import json
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from app.cli import show
from app.cli.client import Api
from app.cli.main import app
from app.cli.watch import facts
from tests.app.cli.asking import Service, run

SWEEP: dict[str, Any] = {
    "id": "swp_1", "state": "succeeded", "task": "classification", "dataset_id": "ds_1",
    "backbone": "tiny", "policy": "exhaustive",
    "progress": {"runs_done": 3, "runs": 3, "epochs_done": 30, "epochs": 30, "eta_s": 0},
    "runs": [
        {"id": "run_1", "arm": "depth:1", "depth": 1, "scratch": False, "seed": 0,
         "state": "succeeded", "stop_reason": "converged", "seconds": 9.14,
         "trainable_parameters": 3843,
         "validation": {"auc": {"value": 0.861, "low": 0.812, "high": 0.9}}},
        {"id": "run_2", "arm": "depth:2", "depth": 2, "scratch": False, "seed": 0,
         "state": "failed", "stop_reason": None, "seconds": 1.0, "trainable_parameters": 9,
         "validation": {}, "failure": {"code": "diverged", "detail": "the loss is not finite"}},
        {"id": "run_3", "arm": "scratch", "depth": 6, "scratch": True, "seed": 0,
         "state": "skipped", "stop_reason": "plateau", "seconds": 0, "trainable_parameters": 0,
         "validation": {}},
    ],
    "recommendation": {
        "arm": "depth:1", "run_id": "run_1", "model_id": "mdl_1",
        "reason": "the only depth there is",
        "not_distinguished": [{"arm": "depth:5", "p": 0.31}],
        "test": {"auc": {"value": 0.93, "low": 0.9, "high": 0.96}},
    },
}  # fmt: skip


def test_a_sweep_is_asked_for_with_nothing_but_what_was_given() -> None:
    service = Service(sweeps={"id": "swp_1", "state": "queued"})
    run(service, "sweeps", "start", "ds_1")
    assert service.asked == [("POST", "/v1/sweeps", {"dataset_id": "ds_1"})]


def test_every_option_of_a_sweep_arrives_in_its_field() -> None:
    service = Service(sweeps={"runs": 4, "epochs": 8})
    said = run(
        service, "sweeps", "start", "ds_1", "--backbone", "tiny", "--arms", "depth:1, scratch",
        "--policy", "until_plateau", "--preset", "paper", "--epochs", "2", "--batch-size", "16",
        "--learning-rate", "0.001", "--head-learning-rate", "0.01", "--optimiser", "sgd",
        "--weight-decay", "0", "--variants", "2", "--seeds", "0,1", "--fractions", "0.5,1",
        "--budget-minutes", "3", "--name", "first", "--init", "mdl_1", "--dry-run",
    )  # fmt: skip
    assert service.asked[0][2] == {
        "dataset_id": "ds_1", "backbone": "tiny", "arms": ["depth:1", "scratch"],
        "policy": "until_plateau", "seeds": [0, 1], "fractions": [0.5, 1.0], "budget_minutes": 3.0,
        "name": "first", "init": "mdl_1", "dry_run": True,
        "recipe": {"preset": "paper", "epochs": 2, "batch_size": 16, "learning_rate": 0.001,
                   "head_learning_rate": 0.01, "optimiser": "sgd", "weight_decay": 0.0,
                   "variants": 2},
    }  # fmt: skip
    assert "Nothing was started" in said


def test_a_list_that_is_none_is_named() -> None:
    client = Api.connect("http://layertune", "lt_test", httpx.MockTransport(Service()))
    ran = CliRunner().invoke(app, ["sweeps", "start", "ds_1", "--seeds", "one"], obj=client)
    assert ran.exit_code == 1
    assert "'one' is not a list of int like 1,2,3" in ran.stderr


def test_the_table_of_depths_names_the_choice_its_interval_and_its_reason() -> None:
    said = run(Service(sweeps_swp_1=SWEEP), "sweeps", "show", "swp_1")
    line = next(line for line in said.splitlines() if "run_1" in line or "depth:1 " in line)
    for part in ("0.861 [0.812, 0.900]", "9.1", "3,843", "<- chosen"):
        assert part in line
    assert "plateau" in next(line for line in said.splitlines() if "scratch" in line)
    assert "because: the only depth there is" in said
    assert "could not be told apart: depth:5 (p = 0.31); that does not make them equal" in said
    assert "test part, opened once: auc 0.930 [0.900, 0.960]" in said
    assert "mdl_1" in said


def test_without_a_recommendation_the_failures_are_named() -> None:
    failed = {**SWEEP, "state": "failed", "recommendation": None}
    said = run(Service(sweeps_swp_1=failed), "sweeps", "show", "swp_1")
    assert "No recommendation: the sweep is failed." in said
    assert "depth:2: diverged: the loss is not finite" in said


def test_a_partial_recommendation_and_a_missing_test_part_are_said() -> None:
    partial = {**SWEEP["recommendation"], "partial": True, "test": None}
    said = run(
        Service(sweeps_swp_1={**SWEEP, "recommendation": partial}), "sweeps", "show", "swp_1"
    )
    assert "partial: some depths did not finish" in said
    assert "no test part" in said


def test_watching_without_a_terminal_prints_a_line_per_run() -> None:
    ended = {"id": 3, "kind": "run", "run_id": "run_1", "data": {
        "arm": "depth:1", "state": "succeeded",
        "validation": SWEEP["runs"][0]["validation"]}}  # fmt: skip
    stream = f"id: 3\nevent: run\ndata: {json.dumps(ended)}\n\n".encode()
    service = Service(sweeps_swp_1=SWEEP, sweeps_swp_1_events=stream)
    said = run(service, "sweeps", "watch", "swp_1")
    assert "depth:1    succeeded auc 0.861 [0.812, 0.900]" in said
    assert "Recommended: depth:1" in said
    assert "Next: layertune deploy mdl_1" in said


def test_an_events_facts_are_found_whether_nested_or_flat() -> None:
    class Said:
        def __init__(self, data: object) -> None:
            self.data = json.dumps(data)

    nested = {"id": 4, "run_id": "run_1", "kind": "epoch", "data": {"epoch": 2}}
    assert facts(Said(nested))["epoch"] == 2  # type: ignore[arg-type]
    assert facts(Said(nested))["run_id"] == "run_1"  # type: ignore[arg-type]
    assert facts(Said({"epoch": 3}))["epoch"] == 3  # type: ignore[arg-type]
    assert facts(Said("nothing")) == {}  # type: ignore[arg-type]


def test_an_interval_says_when_it_rests_on_few_subjects() -> None:
    assert show.interval(None) == "-"
    assert show.interval({"value": None}) == "-"
    assert show.interval({"value": 0.5}) == "0.500"
    few = {"value": 0.9316, "low": 0.9, "high": 0.96, "few_subjects": True}
    assert show.interval(few) == "0.932 [0.900, 0.960]*"


def test_deploying_uses_the_models_own_task_as_the_name() -> None:
    service = Service(
        models_mdl_1={"id": "mdl_1", "task": "frame_quality"},
        deployments_frame_quality={"name": "frame_quality", "model_id": "mdl_1"},
    )
    said = run(service, "deploy", "mdl_1", "--operating-point", "fpr=0.10")
    assert service.asked[-1] == (
        "PUT", "/v1/deployments/frame_quality", {"model_id": "mdl_1", "operating_point": "fpr=0.10"}
    )  # fmt: skip
    assert "frame_quality is answered by mdl_1" in said


def test_a_plot_is_saved_by_its_ending(tmp_path: Path) -> None:
    target = tmp_path / "depths.png"
    service = Service(**{"sweeps_swp_1_plot.png": b"\x89PNG"})
    run(service, "sweeps", "plot", "swp_1", "--out", str(target))
    assert target.read_bytes() == b"\x89PNG"
    client = Api.connect("http://layertune", "lt_test", httpx.MockTransport(service))
    command = ["sweeps", "plot", "swp_1", "--out", str(tmp_path / "depths.gif")]
    ran = CliRunner().invoke(app, command, obj=client)
    assert ran.exit_code == 1
    assert "neither .svg nor .png" in ran.stderr


def test_a_folder_is_uploaded_with_its_fields_and_its_problems_are_printed(tmp_path: Path) -> None:
    (tmp_path / "benign").mkdir()
    (tmp_path / "benign" / "1.png").write_bytes(b"png")
    ready = {
        "id": "ds_1", "name": "lesions", "task": "classification", "state": "ready",
        "counts": {"files": 1, "cases": 1}, "splits": {"train": 1},
        "problems": [{"file": "benign/2.png", "code": "too_small", "detail": "4 x 4 px"}] * 12,
    }  # fmt: skip
    service = Service(datasets={**ready, "state": "checking"}, datasets_ds_1=ready)
    said = run(
        service, "datasets", "add", str(tmp_path), "--task", "classification", "--name", "lesions"
    )
    form = service.asked[0][2]
    assert b'name="task"\r\n\r\nclassification' in form
    assert form.index(b'name="name"') < form.index(b'name="archive"')
    assert b"PK\x03\x04" in form
    assert said.count("problem: benign/2.png: 4 x 4 px") == 10
    assert "and 2 more" in said
    assert "Next: layertune sweeps start ds_1 --watch" in said


def test_a_rejected_data_set_is_an_error(tmp_path: Path) -> None:
    archive = tmp_path / "lesions.zip"
    archive.write_bytes(b"PK")
    problems = [{"file": None, "code": "truncated", "detail": "the zip is cut off"}]
    rejected = {"id": "ds_1", "name": "lesions", "state": "rejected", "problems": problems}
    service = Service(datasets=rejected, datasets_ds_1=rejected)
    client = Api.connect("http://layertune", "lt_test", httpx.MockTransport(service))
    command = ["datasets", "add", str(archive), "--task", "classification"]
    ran = CliRunner().invoke(app, command, obj=client)
    assert ran.exit_code == 1
    assert "the zip is cut off" in ran.stdout
    assert "mend them and add it again" in ran.stderr
