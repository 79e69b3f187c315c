"""A volume sent in is promised, read apart, looked at, shown slice by slice; or says why not."""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import Engine

from app.db import lifecycle
from app.db.session import reading, writing
from app.db.tables import Deployment, Model, Prediction
from app.predictions import pictures, serving
from app.predictions import service as predictions
from app.settings import settings
from app.storage import files
from models import discovery
from tests import spots
from tests.app.predictions.colours import Service, png, running
from tests.films import RED, coloured

NAME = spots.TASK.name
POINT = {"name": "fp_per_volume=1", "threshold": 0.6, "sensitivity": 0.9, "fp_per_volume": 0.8}


@pytest.fixture
def service(
    sqlite: Engine, bells: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    monkeypatch.setitem(discovery.tasks(), NAME, spots.TASK)
    with running(bells) as made:
        card = {"classes": ["other", "embolus"], "positive": "embolus", "arm": "depth:3"}
        made.add_model("mdl_spots", {**card, "operating_points": [POINT]}, task=NAME)
        made.deploy("mdl_spots", NAME, POINT, task=NAME)
        yield made


def work(name: str, tick: Callable[[], object] = lambda: None) -> list[dict[str, Any]]:
    """What the worker does; the progress that could be seen on the way."""
    with writing() as session:
        attempt = lifecycle.claim(session, Prediction, name, "worker", 30)
    assert attempt is not None
    seen: list[dict[str, Any]] = []

    def looking() -> None:
        with reading() as session:
            progress = session.get_one(Prediction, name).progress
        if progress and progress not in seen:
            seen.append(progress)
        tick()

    predictions.run_queued(name, attempt, looking)
    return seen


def examined(service: Service, data: bytes, **fields: str) -> Any:
    """The resource after the work on a volume."""
    reply = service.ask(data, NAME, **fields)
    assert reply.status_code == 202, reply.text
    work(reply.json()["id"])
    return service.get(reply.json()["id"]).json()


# ---- what is found --------------------------------------------------------------------------


def test_a_volume_is_promised_whatever_is_preferred(service: Service) -> None:
    for headers in ({}, {"Accept": "image/png"}, {"Prefer": "respond-async"}):
        reply = service.ask(spots.nifti(), NAME, headers=headers)
        assert reply.status_code == 202
        promised = reply.json()
        assert reply.headers["location"] == f"/v1/predictions/{promised['id']}"
        assert (promised["state"], promised["finding"]) == ("queued", None)
        assert service.rung[-1] == ("predict", promised["id"])
    with reading() as session:
        assert all(row.long for row in session.query(Prediction))


def test_a_series_is_found_with_voxels_millimetres_and_uids(service: Service) -> None:
    found = examined(service, spots.zipped(spots.dicom(series_uid="1.2.3.4")))
    assert found["state"] == "succeeded", found
    sha256 = found["input"].pop("sha256")
    assert len(sha256) == 64
    assert found["input"] == {
        "kind": "dicom", "shape": [20, 32, 40], "spacing_mm": [2.0, 0.8, 0.5], "slices": 20,
        "series_instance_uid": "1.2.3.4",
    }  # fmt: skip
    first, second = found["finding"]["emboli"]
    assert first["centre_voxel"] == [5, 10, 12]
    assert first["centre_mm"] == pytest.approx([6.0, 8.0, 10.0])
    assert (first["series_instance_uid"], first["sop_instance_uid"]) == ("1.2.3.4", "1.2.3.4.6")
    assert first["score"] == pytest.approx(0.905, abs=0.01)  # softmax(0, 4 * 150 / 255)
    assert second["centre_voxel"] == [13, 20, 30]
    assert found["operating_point"]["fp_per_volume"] == 0.8
    assert found["warnings"] == []
    assert list(files().names("inputs/")) == []


def test_the_same_voxels_as_nifti_are_found_without_uids(service: Service) -> None:
    plain, packed = spots.nifti(), gzip.compress(spots.nifti())
    for data in (plain, packed, spots.zipped({"patient/ct.nii.gz": packed})):
        found = examined(service, data)
        assert found["state"] == "succeeded", found
        assert found["input"]["kind"] == "nifti"
        assert "series_instance_uid" not in found["input"]
        assert [one["centre_voxel"] for one in found["finding"]["emboli"]] == [
            [5, 10, 12], [13, 20, 30],
        ]  # fmt: skip
        assert found["finding"]["emboli"][0]["sop_instance_uid"] is None


def test_a_volume_without_a_candidate_is_answered(service: Service) -> None:
    finding = examined(service, spots.nifti(spots.voxels(spots=())))["finding"]
    assert finding == {"present": False, "score": 0.0, "emboli": []}


def test_the_operating_point_applies(service: Service) -> None:
    finding = examined(service, spots.nifti(), operating_point="0.85")["finding"]
    assert [one["centre_voxel"] for one in finding["emboli"]] == [[5, 10, 12]]


def test_one_of_several_series_is_named(service: Service) -> None:
    other = spots.dicom(spots.voxels(spots=spots.SPOTS[:1]), series_uid="1.2.3.5", folder="other")
    both = spots.zipped(spots.dicom(series_uid="1.2.3.4"), other)
    refused = examined(service, both)
    assert (refused["state"], refused["failure"]["code"]) == ("failed", "several_series")
    assert "1.2.3.5" in refused["failure"]["detail"]
    chosen = examined(service, both, series_uid="1.2.3.5")
    assert chosen["input"]["series_instance_uid"] == "1.2.3.5"
    assert len(chosen["finding"]["emboli"]) == 1


def test_progress_is_told_stage_by_stage(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.predictions.progress.EVERY_S", 0.0)
    name = service.ask(spots.zipped(spots.dicom()), NAME).json()["id"]
    seen = work(name)
    stages = [row["stage"] for row in seen]
    assert stages[0] == "reading"
    assert stages[-1] == "storing"
    assert {"stage": "reading", "done": 21, "total": None} in seen
    assert "progress" not in service.get(name).json()


def test_a_large_volume_goes_through_storage(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.predictions.form.MEMORY_MAX_BYTES", 10)
    assert examined(service, spots.nifti())["state"] == "succeeded"
    assert list(files().names("inputs/")) == []


def test_options_of_other_files_have_no_part_and_say_so(service: Service) -> None:
    given = {"stride": "2", "annotated": "true", "spacing_mm": "1", "roi_px": "0,0,9,9"}
    found = examined(service, spots.nifti(), **given)
    assert [row["code"] for row in found["warnings"]] == [
        "roi_not_used", "spacing_mm_not_used", "stride_not_used", "annotated_not_used",
    ]  # fmt: skip
    image = service.ask(png(red=255), series_uid="1.2.3").json()
    assert [row["code"] for row in image["warnings"]] == ["series_uid_not_used"]


@pytest.mark.parametrize("uid", ["1.2.x", "..", "1." * 40 + "1", "1.2#", "²"])
def test_a_series_uid_that_is_none_is_refused(service: Service, uid: str) -> None:
    reply = service.ask(spots.nifti(), NAME, series_uid=uid)
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "#/series_uid")


def test_nothing_of_the_patient_is_kept(service: Service) -> None:
    found = examined(service, spots.zipped(spots.dicom()))
    with reading() as session:
        row = session.get_one(Prediction, found["id"])
    said = json.dumps([row.reply, row.options, row.outputs])
    kept = b"".join(files().get_bytes(name) for name in files().names("outputs/"))
    for secret in ("Doe", "Jane", "4711"):
        assert secret not in said
        assert secret.encode() not in kept
    assert found["input"]["series_instance_uid"].encode() not in kept


# ---- pictures -------------------------------------------------------------------------------


def fetched(service: Service, path: str, **headers: str) -> Any:
    asked = service.headers("viewer") | headers
    return service.client.get(f"/v1/predictions/{path}", headers=asked)


def test_the_overview_is_kept_and_is_the_picture_of_the_resource(service: Service) -> None:
    name = examined(service, spots.nifti())["id"]
    kept = fetched(service, f"{name}/overview.png")
    assert (kept.status_code, kept.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(kept.content)).width > 100
    shown = fetched(service, name, Accept="image/png")
    assert shown.content == kept.content
    assert fetched(service, name).json()["state"] == "succeeded"
    part = fetched(service, f"{name}/overview.png", Range="bytes=1-3")
    assert (part.status_code, part.content) == (206, b"PNG")
    assert fetched(service, name, Accept="image/png", **{"If-None-Match": "*"}).status_code == 304


def test_a_slice_is_drawn_when_it_is_asked_for(service: Service) -> None:
    name = examined(service, spots.zipped(spots.dicom()))["id"]
    fifth = fetched(service, f"{name}/overview.png?slice=5")
    assert (fifth.status_code, fifth.headers["content-type"]) == (200, "image/png")
    assert fetched(service, f"{name}?slice=5").content == fifth.content
    assert fetched(service, f"{name}?slice=13", Accept="image/png").content != fifth.content
    assert fetched(service, f"{name}/overview.png").content == fifth.content  # that of the best
    same = fetched(service, f"{name}?slice=5", **{"If-None-Match": fifth.headers["etag"]})
    assert same.status_code == 304
    for number in ("20", "99999"):
        beyond = fetched(service, f"{name}/overview.png?slice={number}")
        assert (beyond.status_code, beyond.json()["code"]) == (422, "invalid")
        assert beyond.json()["detail"] == f"slice: {number}: this volume has the slices 0 to 19"
    for nonsense in ("-1", "x", "1e9"):
        assert fetched(service, f"{name}?slice={nonsense}").status_code == 422


def test_slices_are_shown_though_the_model_has_gone(service: Service) -> None:
    name = examined(service, spots.nifti())["id"]
    with writing() as session:
        session.query(Deployment).delete()
        session.query(Model).delete()
    assert fetched(service, f"{name}?slice=5").status_code == 200


def test_few_unpacked_volumes_are_kept_at_hand(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "UNPACKED_MAX", 1)
    for k in range(2):
        made = spots.voxels(spots=(((5, 10, 12), 200 + 10 * k),))
        name = examined(service, spots.nifti(made))["id"]
        assert fetched(service, f"{name}?slice=3").status_code == 200
    assert len(list((settings().scratch / "shown").iterdir())) == 2  # one, with its place


def test_a_volume_too_large_to_keep_is_shown_by_its_overview_alone(
    service: Service, setting: Callable[[str, object], None]
) -> None:
    setting("volume_kept_max_bytes", 100)
    found = examined(service, spots.nifti())
    assert [row["code"] for row in found["warnings"]] == ["volume_not_kept"]
    assert fetched(service, f"{found['id']}/overview.png").status_code == 200
    alone = fetched(service, f"{found['id']}?slice=3")
    assert (alone.status_code, alone.json()["code"]) == (404, "no_longer_kept")


def test_what_has_no_picture_says_where_one_is(service: Service) -> None:
    name = service.ask(spots.nifti(), NAME).json()["id"]
    for path in (f"{name}/overview.png", f"{name}?slice=2"):
        early = fetched(service, path)
        assert (early.status_code, early.json()["code"]) == (404, "not_ready")
    work(name)
    film = fetched(service, f"{name}/timeline.png")
    assert (film.status_code, film.json()["code"]) == (404, "not_a_video")
    assert "overview.png" in film.json()["detail"]
    image = service.ask(png(red=255)).json()["prediction_id"]
    assert fetched(service, f"{image}/overview.png").json()["code"] == "not_a_volume"
    assert fetched(service, f"{image}?slice=1").json()["code"] == "not_a_volume"
    assert fetched(service, image, Accept="image/png").json()["state"] == "succeeded"
    for stored in list(files().names("outputs/")):
        files().delete(stored)
    assert fetched(service, f"{name}/overview.png").json()["code"] == "no_longer_kept"
    stranger = service.client.get(
        f"/v1/predictions/{name}/overview.png", headers=service.headers("stranger")
    )
    assert stranger.status_code == 404


# ---- what is refused ------------------------------------------------------------------------


def test_what_is_no_volume_is_refused_by_its_kind(service: Service, tmp_path: Any) -> None:
    film = coloured(tmp_path / "film.mp4", RED, each=2).read_bytes()
    for data, kind in ((png(red=255), "a PNG image"), (film, "an MP4 video"), (b"%PDF", "a PDF"),
                       (b"words", "no kind of volume"), (b"", "no kind of volume")):  # fmt: skip
        reply = service.ask(data, NAME)
        assert reply.status_code == 415, data[:10]
        assert kind in reply.json()["detail"]
        assert ".nii.gz" in reply.json()["detail"]
    assert list(files().names("inputs/")) == []


def test_a_volume_for_a_task_of_images_names_the_task_that_takes_it(service: Service) -> None:
    for data in (spots.nifti(), gzip.compress(spots.nifti()), spots.zipped(spots.dicom())):
        reply = service.ask(data, "classification")
        assert reply.status_code == 415
        assert NAME in reply.json()["detail"]
    assert NAME not in service.ask(b"%PDF", "classification").json()["detail"]


def test_what_holds_no_volume_fails_with_its_reason(service: Service) -> None:
    whole = spots.nifti()
    for data in (whole[:2000], gzip.compress(whole)[:-40], spots.zipped({"note": b"nothing"}),
                 spots.zipped({"series/000": spots.dicom()["series/000"]})):  # fmt: skip
        found = examined(service, data)
        assert (found["state"], found["finding"]) == ("failed", None), data[:20]
        assert found["failure"]["code"]
        assert found["failure"]["detail"]
        assert found["failure"]["code"] != "decoder_stopped", found["failure"]
    assert list(files().names("inputs/")) == list(files().names("outputs/")) == []


# ---- stopped --------------------------------------------------------------------------------


class StopError(Exception):
    pass


@pytest.mark.parametrize("stage", ["reading", "storing"])
def test_a_stop_at_any_stage_leaves_nothing_behind(
    service: Service, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr("app.predictions.progress.EVERY_S", 0.0)
    name = service.ask(spots.zipped(spots.dicom()), NAME).json()["id"]

    def tick() -> None:
        with reading() as session:
            progress = session.get_one(Prediction, name).progress
        if progress and progress["stage"] == stage:
            raise StopError

    with pytest.raises(StopError):
        work(name, tick)
    assert list((settings().scratch / "volumes").iterdir()) == []


def test_the_affine_of_a_volume_is_kept_to_the_last_bit(service: Service) -> None:
    name = examined(service, spots.zipped(spots.dicom()))["id"]
    with reading() as session:
        outputs = session.get_one(Prediction, name).outputs or {}
    kept = pictures._volume(outputs["volume.vol"])
    np.testing.assert_array_equal(kept.voxels, spots.voxels())
    np.testing.assert_array_equal(kept.affine, np.diag([0.5, 0.8, 2.0, 1.0]))


# ---- an upgrade -----------------------------------------------------------------------------


def test_a_model_of_another_edition_of_its_task_does_not_answer(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was deployed, and a volume promised, before an upgrade; after it nothing is answered."""
    promised = service.ask(spots.nifti(), NAME).json()["id"]
    newer = replace(spots.TASK, edition="other candidates")
    monkeypatch.setitem(discovery.tasks(), NAME, newer)
    serving.resolved.forget()
    refused = service.ask(spots.nifti(), NAME)
    assert (refused.status_code, refused.json()["code"]) == (409, "model_not_servable")
    assert "sweep again" in refused.json()["detail"]
    work(promised)
    failed = service.get(promised).json()
    assert (failed["state"], failed["failure"]["code"]) == ("failed", "model_not_servable")
