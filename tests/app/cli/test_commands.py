"""What the commands send and what they print."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import predict, show
from app.cli.client import Api, CliError
from app.cli.main import app
from app.cli.watch import facts

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


class Service:
    """Answers by path and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        said = json.loads(body) if body.startswith(b"{") else body
        self.asked.append((request.method, request.url.path, said))
        found = self.answers[request.url.path.removeprefix("/v1/").replace("/", "_")]
        if isinstance(found, bytes):
            return httpx.Response(200, content=found)
        return httpx.Response(200, json=found)


def run(service: Service, *arguments: str) -> str:
    client = Api.connect("http://layertune", "lt_test", httpx.MockTransport(service))
    ran = CliRunner().invoke(app, list(arguments), obj=client, env={"COLUMNS": "200"})
    assert ran.exit_code == 0, ran.output
    return ran.output


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show.out, "_width", 200)


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


FINDING = {
    "prediction_id": "prd_1", "state": "succeeded", "task": "frame_quality",
    "model": {"id": "mdl_1", "arm": "depth:2"}, "intended_use": "research use only",
    "operating_point": {"name": "fpr=0.10", "threshold": 0.42}, "warnings": ["exif_rotated"],
    "finding": {"label": "informative", "score": 0.91,
                "scores": {"informative": 0.91, "non_informative": 0.09}},
}  # fmt: skip


def test_a_finding_is_printed_with_its_scores_its_threshold_and_its_limits(tmp_path: Path) -> None:
    frame = tmp_path / "frame.jpg"
    frame.write_bytes(b"jpeg")
    said = run(Service(predictions_frame_quality=FINDING), "predict", "frame_quality", str(frame))
    for part in (
        "informative  0.910", "non_informative", "0.090", "fpr=0.10: threshold 0.420",
        "warning: exif_rotated", "prd_1 by mdl_1 (depth:2)", "research use only",
    ):  # fmt: skip
        assert part in said


def test_a_queued_prediction_is_waited_for(tmp_path: Path) -> None:
    frame = tmp_path / "frame.jpg"
    frame.write_bytes(b"jpeg")
    queued = {"prediction_id": "prd_1", "state": "queued"}
    service = Service(predictions_frame_quality=queued, predictions_prd_1=FINDING)
    said = run(service, "predict", "frame_quality", str(frame))
    assert "informative  0.910" in said


VIDEO = {
    "prediction_id": "prd_1", "id": "prd_1", "state": "succeeded", "task": "polyp",
    "model": {"id": "mdl_1", "arm": "depth:2"}, "intended_use": "research use only",
    "warnings": [{"code": "truncated", "detail": "the file is cut off"}],
    "finding": {
        "summary": {"frames_read": 300, "duration_s": 60.0, "fps": 25.0, "stride": 5,
                    "frames_with_detections": 41, "tracks": 1},
        "tracks": [{"id": 1, "first_seen_s": 12.4, "last_seen_s": 20.6, "frames": 41,
                    "best": {"index": 355, "time_s": 14.2, "score": 0.97,
                             "box_px": [212.0, 140.0, 301.4, 215.0]}}],
        "frames": [{"index": 0, "time_s": 0.0, "finding": {}}] * 300,
    },
}  # fmt: skip


class Film(Service):
    """A service at which a video takes a few looks."""

    def __init__(self, *states: Any, **answers: Any) -> None:
        super().__init__(**answers)
        self.states = list(states)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/predictions/prd_1" and self.states:
            self.answers["predictions_prd_1"] = self.states.pop(0)
            if isinstance(self.answers["predictions_prd_1"], BaseException):
                raise self.answers["predictions_prd_1"]
        return super().__call__(request)


QUEUED = {"id": "prd_1", "prediction_id": "prd_1", "state": "queued", "progress": None}
RUNNING = {**QUEUED, "state": "running",
           "progress": {"stage": "reading", "done": 112, "total": 300}}  # fmt: skip


def test_a_video_is_waited_for_and_told_by_its_tracks_with_picture_and_film(
    tmp_path: Path,
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    service = Film(
        QUEUED, RUNNING, VIDEO, predictions_polyp=QUEUED,
        **{"predictions_prd_1_timeline.png": b"\x89PNG", "predictions_prd_1_annotated.mp4": b"mp4"},
    )  # fmt: skip
    said = run(
        service, "predict", "polyp", str(film), "--stride", "3",
        "--picture", str(tmp_path / "t.png"), "--annotated", str(tmp_path / "a.mp4"),
    )  # fmt: skip
    for part in (
        "300 frames of 60.0 s of film read", "1 tracks, seen in 41 frames", "12.4", "20.6",
        "0.970", "212,140 to 301,215", "warning: the file is cut off", "prd_1 by mdl_1",
    ):  # fmt: skip
        assert part in said, part
    assert len(said.splitlines()) < 25  # never the three hundred frames
    form = service.asked[0][2]
    assert b'name="stride"\r\n\r\n3' in form
    assert b'name="annotated"\r\n\r\ntrue' in form
    assert (tmp_path / "t.png").read_bytes() == b"\x89PNG"
    assert (tmp_path / "a.mp4").read_bytes() == b"mp4"


def test_the_bar_of_a_video_moves_by_what_the_service_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    heard: list[Any] = []
    api = Api.connect(
        "http://layertune", "lt_test",
        httpx.MockTransport(Film(QUEUED, RUNNING, VIDEO, predictions_polyp=QUEUED)),
    )  # fmt: skip
    predict.ask(api, "polyp", film, {}, lambda envelope: heard.append(envelope["progress"]))
    assert heard == [None, None, RUNNING["progress"]]


def test_a_ctrl_c_stops_the_work_and_not_only_the_waiting(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    service = Film(
        RUNNING, KeyboardInterrupt(), predictions_polyp=QUEUED, predictions_prd_1_cancel=QUEUED
    )
    api = Api.connect("http://layertune", "lt_test", httpx.MockTransport(service))
    with pytest.raises(KeyboardInterrupt):
        predict.ask(api, "polyp", film, {})
    assert service.asked[-1][:2] == ("POST", "/v1/predictions/prd_1/cancel")


VOLUME = {
    "prediction_id": "prd_1", "id": "prd_1", "state": "succeeded", "task": "pulmonary_embolism",
    "model": {"id": "mdl_1", "arm": "depth:2"}, "intended_use": "research use only",
    "input": {"kind": "dicom", "shape": [20, 32, 40], "slices": 20}, "warnings": [],
    "finding": {"present": False, "score": 0.1, "emboli": []},
}  # fmt: skip


def test_a_folder_of_dicom_files_is_sent_as_one_zip_with_the_series_that_is_meant(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "patient"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "1").write_bytes(b"DICM")
    scoring = {**RUNNING, "progress": {"stage": "scoring", "done": 64, "total": None}}
    service = Film(
        QUEUED, scoring, VOLUME, predictions_pulmonary_embolism=QUEUED,
        **{"predictions_prd_1_overview.png": b"\x89PNG"},
    )  # fmt: skip
    said = run(
        service, "predict", "pulmonary_embolism", str(folder), "--series-uid", "1.2.3",
        "--picture", str(tmp_path / "o.png"), "--slice", "7",
    )  # fmt: skip
    assert "prd_1 by mdl_1" in said
    form = service.asked[0][2]
    assert b'name="series_uid"\r\n\r\n1.2.3' in form
    assert b'filename="patient.zip"' in form
    assert b"PK\x03\x04" in form
    assert b"deep/1" in form
    assert (tmp_path / "o.png").read_bytes() == b"\x89PNG"


@pytest.mark.parametrize(
    ("envelope", "slice_", "name"),
    [(VOLUME, None, "overview.png"), (VOLUME, 0, "overview.png?slice=0"),
     (VIDEO, None, "timeline.png"), (FINDING, None, None)],
)  # fmt: skip
def test_the_picture_that_is_kept_is_that_of_its_kind(
    envelope: Any, slice_: int | None, name: str | None
) -> None:
    assert predict._kept_picture(envelope, slice_) == name


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    api = Api.connect("http://layertune", "lt_test", httpx.MockTransport(Service()))
    with pytest.raises(CliError, match=r"gone\.zip does not exist"):
        predict.ask(api, "pulmonary_embolism", tmp_path / "gone.zip", {})


@pytest.mark.parametrize(
    ("ended", "says"),
    [({"state": "failed", "failure": {"detail": "no moving pictures"}}, "no moving pictures"),
     ({"state": "cancelled"}, "was cancelled")],
)  # fmt: skip
def test_a_video_that_ended_without_a_finding_says_how(
    tmp_path: Path, ended: Any, says: str
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    service = Film({**QUEUED, **ended}, predictions_polyp=QUEUED)
    api = Api.connect("http://layertune", "lt_test", httpx.MockTransport(service))
    with pytest.raises(CliError, match=says):
        predict.ask(api, "polyp", film, {})


def test_a_polyp_in_an_image_is_told_by_its_boxes_and_never_by_its_mask(tmp_path: Path) -> None:
    frame = tmp_path / "frame.jpg"
    frame.write_bytes(b"jpeg")
    found = {
        "present": True, "score": 0.97, "mask_png_base64": "iVBORw0KGgo" * 99,
        "detections": [{"box_px": [10, 20, 30, 40], "score": 0.97, "area_px": 5120}],
    }  # fmt: skip
    said = run(
        Service(predictions_polyp={**FINDING, "finding": found}), "predict", "polyp", str(frame)
    )
    assert "present  0.970" in said
    assert "box 10,20 to 30,40  0.970  5,120 px" in said
    assert "iVBOR" not in said


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
