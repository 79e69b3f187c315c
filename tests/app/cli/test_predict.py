"""What `predict` sends, waits for, prints and keeps."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli import predict
from app.cli.client import Api, CliError
from tests.app.cli.asking import Service, run

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
