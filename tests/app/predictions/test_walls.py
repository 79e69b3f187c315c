"""A frame with a vessel's wall asked about: millimetres by a named source, regions, DICOM."""

import io
import json
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import RLELossless

from app.db.session import reading
from app.db.tables import Prediction
from app.predictions import service as predictions
from app.predictions.answering import answer
from app.settings import settings
from tests.app.predictions import walls
from tests.app.predictions.colours import Service, png


def ask(service: Service, data: bytes | None = None, **fields: str) -> dict[str, Any]:
    reply = service.ask(walls.png() if data is None else data, "intima_media", **fields)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def codes(body: dict[str, Any]) -> list[str]:
    return [warning["code"] for warning in body["warnings"]]


def refused(service: Service, data: bytes | None = None, **fields: str) -> tuple[int, str, str]:
    reply = service.ask(walls.png() if data is None else data, "intima_media", **fields)
    assert reply.status_code >= 400, reply.text
    body = reply.json()
    return reply.status_code, body["code"], body["detail"]


def saved(data: Dataset) -> bytes:
    out = io.BytesIO()
    data.save_as(out)
    return out.getvalue()


def changed(**tags: object) -> bytes:
    data = dcmread(io.BytesIO(walls.dicom()))
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    return saved(data)


# ---- what is measured -------------------------------------------------------------------------


def test_the_lines_lie_at_the_layers_and_thickness_is_in_millimetres(
    wall_service: Service,
) -> None:
    body = ask(wall_service, spacing_mm="0.05")
    found = body["finding"]
    upper, lower = np.array(found["lumen_intima"]), np.array(found["media_adventitia"])
    assert np.abs(upper[:, 1] - walls.FIRST_PX).max() < 0.5
    assert np.abs(lower[:, 1] - walls.LAST_PX).max() < 0.5
    assert (upper[:, 0] == lower[:, 0]).all() and (np.diff(upper[:, 0]) > 0).all()
    assert found["imt_px"]["mean"] == pytest.approx(12, abs=0.5)
    assert found["imt_mm"]["mean"] == pytest.approx(found["imt_px"]["mean"] * 0.05)
    assert (found["spacing_mm"], found["spacing_source"]) == (0.05, "given")
    assert found["columns"]["traced"] == len(upper) > 400
    assert body["warnings"] == []
    assert body["operating_point"]["name"] == "highest_score"


def test_without_a_spacing_the_answer_is_in_pixels_and_says_so(wall_service: Service) -> None:
    body = ask(wall_service)
    found = body["finding"]
    assert (found["imt_mm"], found["spacing_mm"], found["spacing_source"]) == (None, None, None)
    assert found["imt_px"]["max"] >= found["imt_px"]["mean"] > 11
    assert codes(body) == ["no_spacing"]
    assert "spacing_mm" in body["warnings"][0]["detail"]


def test_thickness_is_measured_from_row_to_row(wall_service: Service) -> None:
    found = ask(wall_service, spacing_mm="0.05,0.1")["finding"]
    assert found["spacing_mm"] == [0.05, 0.1]
    assert found["imt_mm"]["mean"] == pytest.approx(found["imt_px"]["mean"] * 0.05)


def test_an_image_without_a_wall_is_answered_with_none(wall_service: Service) -> None:
    found = ask(wall_service, png(red=90, green=90, blue=90, width=300, height=200))["finding"]
    assert found["lumen_intima"] == found["media_adventitia"] == []
    assert found["imt_px"] is None and found["columns"]["traced"] == 0


def test_it_comes_as_a_picture(wall_service: Service) -> None:
    reply = wall_service.ask(
        walls.png(), "intima_media", headers={"Accept": "image/png"}, spacing_mm="0.06"
    )
    assert reply.headers["content-type"] == "image/png"
    assert reply.content.startswith(b"\x89PNG")


# ---- where it is looked -----------------------------------------------------------------------


def test_only_columns_of_the_region_are_traced(wall_service: Service) -> None:
    body = ask(wall_service, roi_px="100,180,300,330")
    columns = np.array(body["finding"]["lumen_intima"])[:, 0]
    assert columns.min() >= 100 and columns.max() < 300
    assert body["finding"]["roi_px"] == [100, 180, 300, 330]
    assert codes(body) == ["no_spacing"]
    corners = ask(wall_service, roi_px="300,330,100,180")
    assert corners["finding"] == body["finding"]


def test_two_points_on_the_wall_are_a_region_about_them(wall_service: Service) -> None:
    for points in ("100,256;300,258", "300,258;100,256", "100,256,300,258"):
        body = ask(wall_service, roi_px=points, spacing_mm="0.05")
        assert body["finding"]["roi_px"] == [100, 196, 300, 318]  # 3 mm up and down
        assert codes(body) == ["roi_widened"]
        assert "rows 196 to 318" in body["warnings"][0]["detail"]
        assert 190 <= body["finding"]["columns"]["traced"] <= 200


def test_a_region_that_is_none_is_refused(wall_service: Service) -> None:
    for region in (
        "100,100,100,200", "100,150,300,150", "100,150;100,150", "0,0,481,300", "0,0,300,401",
        "-5,0,100,100", "1,2,3", "1,2;3;4", "a,b;c,d", "1,2,3,4,5", "10.5,2,100,100",
    ):  # fmt: skip
        status, code, detail = refused(wall_service, roi_px=region)
        assert (status, code) == (422, "invalid"), region
        assert detail.startswith("roi_px: "), region


# ---- DICOM ------------------------------------------------------------------------------------


def test_a_dicom_frame_brings_its_spacing(wall_service: Service) -> None:
    body = ask(wall_service, walls.dicom())
    found = body["finding"]
    assert found["spacing_mm"] == pytest.approx([0.06, 0.08])
    assert found["spacing_source"] == "dicom"
    assert found["imt_mm"]["mean"] == pytest.approx(found["imt_px"]["mean"] * 0.06)
    assert body["input"]["width"] == walls.WIDTH and body["input"]["height"] == walls.HEIGHT
    assert body["warnings"] == []
    assert found["lumen_intima"] == ask(wall_service)["finding"]["lumen_intima"]


def test_the_callers_spacing_goes_before_the_files_and_a_difference_is_said(
    wall_service: Service,
) -> None:
    body = ask(wall_service, walls.dicom(), spacing_mm="0.05")
    assert body["finding"]["spacing_mm"] == 0.05
    assert body["finding"]["spacing_source"] == "given"
    assert codes(body) == ["spacing_differs"]
    assert codes(ask(wall_service, walls.dicom(), spacing_mm="0.06,0.08")) == []


def test_a_dicom_frame_without_regions_is_answered_in_pixels(wall_service: Service) -> None:
    body = ask(wall_service, changed(SequenceOfUltrasoundRegions=[]))
    assert body["finding"]["imt_mm"] is None
    assert codes(body) == ["no_spacing"]


def test_compressed_pixels_give_the_same_answer(wall_service: Service) -> None:
    data = dcmread(io.BytesIO(walls.dicom()))
    data.compress(RLELossless)
    packed = saved(data)
    assert ask(wall_service, packed)["finding"] == ask(wall_service, walls.dicom())["finding"]
    assert list(settings().scratch.glob("frame-*")) == []


def test_a_dicom_file_that_is_no_single_frame_is_refused(wall_service: Service) -> None:
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"NumberOfFrames": 2}, "2 frames"),
        ({"Modality": "CT", "SequenceOfUltrasoundRegions": []}, "modality CT"),
        ({"Rows": 60000, "Columns": 60000}, "at most"),
    ]
    for tags, word in refusals:
        status, code, detail = refused(wall_service, changed(**tags))
        assert (status, code) == (422, "unreadable_image")
        assert word in detail


def test_other_tasks_of_images_take_none(wall_service: Service) -> None:
    reply = wall_service.ask(walls.dicom())
    assert reply.status_code == 415
    assert "one DICOM frame" not in reply.json()["detail"]
    status, _, detail = refused(wall_service, b"%PDF-1.7")
    assert status == 415 and "one DICOM frame" in detail


def test_a_queued_frame_gets_the_same_answer(wall_service: Service) -> None:
    fields = {"roi_px": "100,256;300,258"}
    reply = wall_service.ask(
        walls.dicom(), "intima_media", headers={"Prefer": "respond-async"}, **fields
    )
    assert reply.status_code == 202, reply.text
    name = reply.json()["id"]
    with reading() as session:
        asked = predictions._asked(session.get_one(Prediction, name), 0.0)
    assert asked.options.roi_points and asked.options.roi_px == (100, 256, 300, 258)
    at_once = ask(wall_service, walls.dicom(), **fields)
    later = json.loads(answer(asked, walls.dicom()).body)
    assert later["finding"] == at_once["finding"]
    assert codes(later) == codes(at_once) == ["roi_widened"]
