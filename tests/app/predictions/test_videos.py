"""A video sent in is promised, watched, shown and kept; what cannot be read says why."""

import io
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from app.db import lifecycle
from app.db.session import reading, writing
from app.db.tables import Audit, Prediction
from app.predictions import service as predictions
from app.settings import settings
from app.storage import files
from tests.app.predictions.colours import Service, png
from tests.films import BLUE, GREEN, RED, coloured, cut_off, film, spotted


@pytest.fixture
def service(video_service: Service) -> Service:
    return video_service


def work(prediction_id: str) -> list[dict[str, Any]]:
    """What the worker does; the progress that could be seen on the way."""
    with writing() as session:
        attempt = lifecycle.claim(session, Prediction, prediction_id, "worker", 30)
    assert attempt is not None
    seen: list[dict[str, Any]] = []

    def tick() -> None:
        with reading() as session:
            progress = session.get_one(Prediction, prediction_id).progress
        if progress and progress not in seen:
            seen.append(progress)

    predictions.run_queued(prediction_id, attempt, tick)
    return seen


def watched(service: Service, path: Path, task: str = "frame_quality", **fields: str) -> Any:
    """The resource after the work on a film."""
    reply = service.ask(path.read_bytes(), task, **fields)
    assert reply.status_code == 202, reply.text
    work(reply.json()["id"])
    return service.get(reply.json()["id"]).json()


def moving(tmp_path: Path, **given: Any) -> Path:
    """Four seconds of film: nothing, a red thing that crosses for two seconds, nothing."""
    path = [None] * 10 + [(4 + 5 * k, 40) for k in range(20)] + [None] * 10
    pictures = [spotted(*at) if at else spotted(500, 500) for at in path]
    return film(tmp_path / "polyp.mp4", pictures, **given)


# ---- what is found --------------------------------------------------------------------------


def test_a_video_is_promised_whatever_is_preferred_and_answered_later(
    service: Service, tmp_path: Path
) -> None:
    data = coloured(tmp_path / "film.mp4", RED, GREEN).read_bytes()
    for headers in ({}, {"Accept": "image/png"}, {"Prefer": "respond-async"}):
        reply = service.ask(data, "frame_quality", headers=headers)
        assert reply.status_code == 202
        assert reply.headers["content-type"] == "application/json"
        promised = reply.json()
        assert reply.headers["location"] == f"/v1/predictions/{promised['id']}"
        assert ("preference-applied" in reply.headers) is ("Prefer" in headers)
        assert (promised["state"], promised["progress"]) == ("queued", None)
        assert service.get(promised["id"]).json() == promised
        assert service.rung[-1] == ("predict", promised["id"])


def test_the_share_of_informative_frames_is_told_with_every_frame(
    service: Service, tmp_path: Path
) -> None:
    path = coloured(tmp_path / "film.mp4", RED, GREEN, BLUE, RED)
    found = watched(service, path, stride="2")
    assert found["state"] == "succeeded"
    assert found["operating_point"]["name"] == "fpr=0.10"
    finding = found["finding"]
    assert finding["summary"] == {"frames_read": 20, "duration_s": 4.0, "fps": 10.0, "stride": 2}
    assert finding["shares"] == {"informative": 0.5, "non_informative": 0.5}
    labels = [frame["finding"]["label"] for frame in finding["frames"]]
    assert labels == ["informative"] * 5 + ["non_informative"] * 10 + ["informative"] * 5
    assert [frame["index"] for frame in finding["frames"]] == list(range(0, 40, 2))
    assert finding["frames"][3]["time_s"] == 0.6
    assert found["input"]["frames"] == 40
    assert found["input"] | {"sha256": ""} == {
        "width": 64, "height": 48, "sha256": "", "frames": 40, "duration_s": 4.0, "fps": 10.0,
        "container": "mp4", "codec": "h264",
    }  # fmt: skip
    assert found["warnings"] == []


def test_a_polyp_is_followed_through_the_film(service: Service, tmp_path: Path) -> None:
    found = watched(service, moving(tmp_path), "polyp", stride="2")
    finding = found["finding"]
    assert finding["summary"]["frames_with_detections"] == 10
    (track,) = finding["tracks"]
    assert (track["first_seen_s"], track["last_seen_s"], track["frames"]) == (1.0, 2.8, 10)
    assert track["best"]["score"] > 0.9
    x0, y0, x1, y1 = track["best"]["box_px"]
    at = 4 + 5 * (track["best"]["index"] - 10)
    assert (x0, y0, x1, y1) == pytest.approx((at, 40, at + 40, 80), abs=8)
    middle = next(frame for frame in finding["frames"] if frame["time_s"] == 2.0)
    assert middle["finding"]["detections"][0]["track"] == track["id"]
    assert "mask_png_base64" not in middle["finding"]
    assert found["operating_point"]["fp_per_image"] == 0.08
    assert "specificity" not in found["operating_point"]


def test_the_frames_of_a_film_find_what_the_same_frames_find_as_images(
    service: Service, tmp_path: Path
) -> None:
    found = watched(service, coloured(tmp_path / "film.mp4", RED, each=3), stride="1")
    alone = service.ask(png(red=254, width=64, height=48), "frame_quality").json()
    assert found["finding"]["frames"][0]["finding"]["score"] == pytest.approx(
        alone["finding"]["score"], abs=0.01
    )
    assert found["model"] == alone["model"]


def test_progress_is_shown_while_a_worker_has_it_and_not_after(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.predictions.progress.EVERY_S", 0.0)
    data = coloured(tmp_path / "film.mp4", RED, each=30).read_bytes()
    name = service.ask(data, "frame_quality", annotated="true").json()["id"]
    seen = work(name)
    assert {"stage": "reading", "done": 7, "total": 15} in seen
    assert {row["stage"] for row in seen} == {"reading", "annotating", "storing"}
    assert "progress" not in service.get(name).json()


def test_a_large_video_goes_through_storage(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.predictions.form.MEMORY_MAX_BYTES", 10)
    found = watched(service, coloured(tmp_path / "film.avi", RED, clock=10))
    assert found["finding"]["shares"]["informative"] == 1.0
    assert list(files().names("inputs/")) == []


# ---- the picture and the film ---------------------------------------------------------------


def fetched(service: Service, name: str, what: str, **headers: str) -> Any:
    return service.client.get(
        f"/v1/predictions/{name}/{what}", headers=service.headers("viewer") | headers
    )


def test_the_timeline_and_the_annotated_film_are_kept(service: Service, tmp_path: Path) -> None:
    name = watched(service, moving(tmp_path), "polyp", annotated="true")["id"]
    picture = fetched(service, name, "timeline.png")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(picture.content)).width == 1200
    shown = fetched(service, name, "annotated.mp4")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "video/mp4")
    with av.open(io.BytesIO(shown.content)) as found:
        assert len(list(found.decode(video=0))) == 40
    part = fetched(service, name, "annotated.mp4", Range="bytes=4-11")
    assert (part.status_code, part.content) == (206, shown.content[4:12])
    assert part.headers["content-range"] == f"bytes 4-11/{len(shown.content)}"
    same = fetched(service, name, "annotated.mp4", **{"If-None-Match": shown.headers["etag"]})
    assert same.status_code == 304
    beyond = fetched(service, name, "annotated.mp4", Range="bytes=99999999-")
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
    stranger = service.client.get(
        f"/v1/predictions/{name}/timeline.png", headers=service.headers("stranger")
    )
    assert stranger.status_code == 404


def test_what_was_not_made_says_how_to_get_it(service: Service, tmp_path: Path) -> None:
    data = coloured(tmp_path / "film.mp4", RED).read_bytes()
    name = service.ask(data, "frame_quality").json()["id"]
    early = fetched(service, name, "timeline.png")
    assert (early.status_code, early.json()["code"]) == (404, "not_ready")
    assert early.json()["retryable"]
    work(name)
    film_of_it = fetched(service, name, "annotated.mp4")
    assert (film_of_it.status_code, film_of_it.json()["code"]) == (404, "not_made")
    assert "annotated=true" in film_of_it.json()["detail"]
    image = service.ask(png(red=255), "frame_quality").json()["prediction_id"]
    of_image = fetched(service, image, "timeline.png")
    assert (of_image.status_code, of_image.json()["code"]) == (404, "not_a_video")
    for stored in list(files().names("outputs/")):
        files().delete(stored)
    assert fetched(service, name, "timeline.png").json()["code"] == "no_longer_kept"
    assert fetched(service, "prd_none", "timeline.png").status_code == 404


# ---- what is broken -------------------------------------------------------------------------


def test_a_film_cut_off_is_answered_for_as_far_as_it_goes(service: Service, tmp_path: Path) -> None:
    pictures = [spotted(3 * k % 120, 7 * k % 80) for k in range(80)]
    found = watched(service, cut_off(film(tmp_path / "film.mp4", pictures), 0.6))
    assert found["state"] == "succeeded"
    (warning,) = [row for row in found["warnings"] if row["code"] == "truncated"]
    assert "of 8.0 s" in warning["detail"]
    assert "of 80 frames" in warning["detail"]
    assert 0 < found["finding"]["summary"]["duration_s"] < 7
    assert found["input"]["duration_s"] == 8.0


def test_what_holds_no_film_fails_with_its_reason(service: Service, tmp_path: Path) -> None:
    films = {
        "no_video": film(tmp_path / "sound.mp4", [], sound=True),
        "unreadable_video": cut_off(
            coloured(tmp_path / "cut.mov", RED, movflags="write_colr"), 0.2
        ),
    }
    for code, path in films.items():
        found = watched(service, path)
        assert (found["state"], found["finding"]) == ("failed", None)
        assert found["failure"]["code"] == code
    assert list(files().names("inputs/")) == []
    assert list(files().names("outputs/")) == []


def test_limits_are_settings(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = coloured(tmp_path / "film.mp4", RED, each=40)
    for name, value, code in (
        ("video_max_s", 2.0, "too_long"),
        ("video_frame_max_pixels", 100, "too_large"),
        ("video_frames_max", 5, "too_many_frames"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(settings(), name, value)
            assert watched(service, path)["failure"]["code"] == code
    monkeypatch.setattr(settings(), "prediction_max_bytes", 100)
    assert service.ask(path.read_bytes(), "frame_quality").status_code == 413


def test_a_task_that_takes_no_videos_says_what_was_sent(service: Service, tmp_path: Path) -> None:
    reply = service.ask(coloured(tmp_path / "film.avi", RED).read_bytes(), "classification")
    assert reply.status_code == 415
    assert "an AVI video" in reply.json()["detail"]
    heif = service.ask(b"\0\0\0\x18ftypheic", "frame_quality")
    assert (heif.status_code, "HEIF" in heif.json()["detail"]) == (415, True)
    mpeg = service.ask(b"\0\0\1\xba" + bytes(50), "frame_quality")
    assert mpeg.status_code == 415
    assert mpeg.json()["detail"].endswith("for a video (mp4, mov, avi, mkv, webm)")
    assert list(files().names("inputs/")) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("stride", "0"), ("stride", "-1"), ("stride", "1.5"), ("stride", "9" * 20), ("stride", "²"),
     ("annotated", "perhaps")],
)  # fmt: skip
def test_an_option_of_videos_that_makes_no_sense_is_named(
    service: Service, name: str, value: str
) -> None:
    reply = service.ask(**{name: value})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid")
    assert reply.json()["errors"][0]["pointer"] == f"#/{name}"


def test_options_of_videos_have_no_part_in_an_image(service: Service) -> None:
    reply = service.ask(task="frame_quality", stride="3", annotated="true").json()
    assert [row["code"] for row in reply["warnings"]] == ["stride_not_used", "annotated_not_used"]


# ---- stopped, repeated, told ----------------------------------------------------------------


def cancelled(service: Service, name: str, who: str = "clinician") -> Any:
    return service.client.post(f"/v1/predictions/{name}/cancel", headers=service.headers(who))


def test_one_that_waits_is_cancelled_at_once_and_again_changes_nothing(
    service: Service, tmp_path: Path
) -> None:
    data = coloured(tmp_path / "film.mp4", RED).read_bytes()
    name = service.ask(data, "frame_quality").json()["id"]
    first, second = cancelled(service, name), cancelled(service, name)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["state"] == second.json()["state"] == "cancelled"
    assert list(files().names("inputs/")) == []
    with writing() as session:
        assert lifecycle.claim(session, Prediction, name, "worker", 30) is None
        row = session.get_one(Prediction, name)
    assert {"queued", "cancelled"} <= set(row.times)
    assert fetched(service, name, "timeline.png").json()["code"] == "not_made"


def test_one_that_has_ended_stays_as_it_is(service: Service, tmp_path: Path) -> None:
    done = watched(service, coloured(tmp_path / "film.mp4", RED))
    assert cancelled(service, done["id"]).json() == done
    image = service.ask(png(red=255), "frame_quality").json()["prediction_id"]
    assert cancelled(service, image).json()["state"] == "succeeded"
    assert cancelled(service, "prd_none").status_code == 404
    assert cancelled(service, done["id"], "stranger").status_code == 404
    assert cancelled(service, done["id"], "viewer").status_code == 403


def test_a_running_one_is_asked_to_stop_and_says_so(service: Service, tmp_path: Path) -> None:
    data = coloured(tmp_path / "film.mp4", RED).read_bytes()
    name = service.ask(data, "frame_quality").json()["id"]
    with writing() as session:
        attempt = lifecycle.claim(session, Prediction, name, "worker", 30)
    assert attempt is not None
    assert cancelled(service, name).json()["state"] == "running"
    with writing() as session:
        assert predictions.wish(session, name) == "cancelled"
        lifecycle.lose(session, Prediction, name, attempt, worker_alive=False, detail="gone")
    assert service.get(name).json()["state"] == "cancelled"  # not tried again by another


def test_the_same_key_and_film_get_the_first_reply(service: Service, tmp_path: Path) -> None:
    data = coloured(tmp_path / "film.mp4", RED).read_bytes()
    key = {"Idempotency-Key": "once"}
    first = service.ask(data, "frame_quality", headers=key, stride="2")
    again = service.ask(data, "frame_quality", headers=key, stride="2")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    other = service.ask(data, "frame_quality", headers=key, stride="3")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(list(files().names("inputs/"))) == 1


def test_who_asked_and_who_cancelled_is_in_the_audit(service: Service, tmp_path: Path) -> None:
    data = coloured(tmp_path / "film.mp4", RED).read_bytes()
    name = service.ask(data, "frame_quality").json()["id"]
    cancelled(service, name)
    with reading() as session:
        rows = session.query(Audit).filter_by(resource=name).order_by(Audit.id).all()
    assert [(row.action, row.status) for row in rows] == [
        ("predict_frame_quality", 202), ("cancel_prediction", 202),
    ]  # fmt: skip


def test_a_stale_attempt_writes_nothing(service: Service, tmp_path: Path) -> None:
    data = coloured(tmp_path / "film.mp4", RED).read_bytes()
    name = service.ask(data, "frame_quality").json()["id"]
    with writing() as session:
        stale = lifecycle.claim(session, Prediction, name, "first", 30)
        assert stale is not None
        lifecycle.release(session, Prediction, name, stale)
        assert lifecycle.claim(session, Prediction, name, "second", 30) == stale + 1
    with pytest.raises(lifecycle.LeaseLostError):
        predictions.run_queued(name, stale, lambda: None)
    assert service.get(name).json()["state"] == "running"
    assert list(files().names("inputs/")) == [f"inputs/{name}"]
