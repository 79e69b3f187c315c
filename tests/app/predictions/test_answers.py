"""One image asked about and answered at once: the envelope, the options, the refusals."""

import asyncio
import hashlib
import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from app.predictions.serving import resolved
from app.settings import settings
from tests.app.predictions.colours import Service, png


def code_of(reply: Any) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/problem+json"
    return reply.status_code, reply.json()["code"]


def test_an_image_is_answered_in_the_envelope_of_the_contract(service: Service) -> None:
    image = png(green=255)
    reply = service.ask(image)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert list(body) == [
        "prediction_id", "state", "task", "model", "operating_point", "input", "intended_use",
        "warnings", "milliseconds", "finding",
    ]  # fmt: skip
    assert body["prediction_id"].startswith("prd_")
    assert (body["state"], body["task"]) == ("succeeded", "classification")
    assert body["model"]["id"] == "mdl_three"
    assert body["model"]["digest"].startswith("sha256:")
    assert body["model"]["arm"] == "depth:2"
    assert body["input"] == {
        "width": 40, "height": 30, "sha256": hashlib.sha256(image).hexdigest(),
    }  # fmt: skip
    assert body["intended_use"] == "research use only"
    assert body["warnings"] == []
    assert 0 < body["milliseconds"] < 10_000
    # softmax(0, 4, 0)
    assert body["finding"]["label"] == "green"
    assert body["finding"]["score"] == pytest.approx(0.9647, abs=1e-4)
    assert list(body["finding"]["scores"]) == ["red", "green", "blue"]
    assert body["operating_point"]["name"] == "highest_score"
    assert body["operating_point"]["threshold"] is None
    assert reply.headers["content-location"] == f"/v1/predictions/{body['prediction_id']}"


def test_the_file_may_come_last(service: Service) -> None:
    boundary = "x"
    parts = [
        ('name="spacing_mm"', b"0.1"),
        ('name="model_id"', b"mdl_three"),
        ('name="file"; filename="a.png"', png(blue=255)),
    ]
    body = b"".join(
        b"--x\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + data + b"\r\n"
        for head, data in parts
    )
    kind = f"multipart/form-data; boundary={boundary}"
    reply = service.client.post(
        "/v1/predictions/classification",
        content=body + b"--x--\r\n",
        headers=service.headers() | {"Content-Type": kind},
    )
    assert reply.json()["finding"]["label"] == "blue"


def test_a_picture_is_sent_where_it_is_preferred(service: Service) -> None:
    reply = service.ask(headers={"Accept": "image/png"})
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "image/png"
    assert reply.content.startswith(b"\x89PNG")
    kept = service.get(reply.headers["content-location"].rpartition("/")[2])
    assert kept.json()["finding"]["label"] == "red"
    assert service.ask(headers={"Accept": "image/*"}).headers["content-type"] == "image/png"
    both = service.ask(headers={"Accept": "application/json, image/png;q=0.5"})
    assert both.headers["content-type"] == "application/json"


def test_a_weight_of_nonsense_is_no_error(service: Service) -> None:
    for weight in ("²", ".", "1e9", "nan", ""):
        reply = service.ask(headers={"Accept": f"image/png;q={weight}".encode("latin-1")})
        assert reply.status_code == 200


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_has_bounds(service: Service, key: str) -> None:
    reply = service.ask(headers={"Idempotency-Key": key})
    assert code_of(reply) == (422, "invalid_request")
    assert reply.json()["errors"][0]["pointer"] == "header/Idempotency-Key"


# ---- operating points -----------------------------------------------------------------------


def test_the_deployments_point_applies_unless_the_caller_names_another(service: Service) -> None:
    service.deploy("mdl_two", "screening", {"name": "strict", "threshold": 0.99})
    # softmax(0, 0.533): the positive class, the green channel at 34, has 0.63
    image = png(green=34)
    default = service.ask(image, deployment="screening").json()
    assert default["finding"]["label"] == "no"
    assert default["operating_point"]["name"] == "strict"
    named = service.ask(image, deployment="screening", operating_point="fpr=0.10").json()
    assert named["finding"]["label"] == "yes"
    assert named["operating_point"] == {
        "name": "fpr=0.10", "threshold": 0.3, "sensitivity": 0.9, "specificity": 0.91,
        "low": 0.8, "high": 0.95,
    }  # fmt: skip
    given = service.ask(image, deployment="screening", operating_point="0.64").json()
    assert (given["finding"]["label"], given["operating_point"]["name"]) == ("no", "threshold")
    everything = service.ask(image, deployment="screening", operating_point="all").json()
    assert everything["operating_point"]["name"] == "all"
    assert everything["finding"]["label"] == "yes"
    service.deploy("mdl_two", "every", {"name": "all", "threshold": None})
    deployed = service.ask(image, deployment="every").json()
    assert deployed["operating_point"] == everything["operating_point"]
    assert deployed["finding"] == everything["finding"]


@pytest.mark.parametrize("point", ["fpr=0.001", "1.01", "nonsense"])
def test_a_point_that_is_not_there_is_refused(service: Service, point: str) -> None:
    reply = service.ask(model_id="mdl_two", operating_point=point)
    assert code_of(reply) == (422, "unknown_operating_point")
    assert reply.json()["errors"][0]["pointer"] == "#/operating_point"


# ---- who answers ----------------------------------------------------------------------------


def test_without_a_deployment_the_problem_names_the_way_out(service: Service) -> None:
    reply = service.ask(task="frame_quality")
    assert reply.status_code == 404
    assert "PUT /v1/deployments/frame_quality" in reply.json()["detail"]


def test_a_model_of_another_task_is_refused(service: Service) -> None:
    assert service.ask(task="frame_quality", model_id="mdl_three").status_code == 422


def test_another_workspaces_model_does_not_exist(service: Service) -> None:
    assert service.ask(who="stranger", model_id="mdl_three").status_code == 404
    assert service.ask(who="stranger").status_code == 404


def test_a_rollback_answers_once_the_memory_is_out(service: Service) -> None:
    assert service.ask().json()["model"]["id"] == "mdl_three"
    service.deploy("mdl_two")
    assert service.ask().json()["model"]["id"] == "mdl_three"  # remembered for a second
    resolved.forget()
    assert service.ask().json()["model"]["id"] == "mdl_two"


def test_a_change_of_deployment_in_this_process_is_seen_at_once(service: Service) -> None:
    assert service.ask().json()["model"]["id"] == "mdl_three"
    admin = {"Authorization": f"Bearer {service.secrets['admin']}"}
    put = service.client.put(
        "/v1/deployments/classification", json={"model_id": "mdl_two"}, headers=admin
    )
    assert put.status_code == 200, put.text
    assert service.ask().json()["model"]["id"] == "mdl_two"


def test_an_unknown_task_is_told_with_those_there_are(service: Service) -> None:
    reply = service.ask(task="palmistry")
    assert code_of(reply) == (404, "unknown_task")
    assert "classification" in reply.json()["detail"]


# ---- what may come in -----------------------------------------------------------------------


def test_a_viewer_may_not_predict(service: Service) -> None:
    assert code_of(service.ask(who="viewer")) == (403, "forbidden")


def test_a_stranger_is_turned_away_before_the_body_is_read(service: Service) -> None:
    messages: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/predictions/classification",
        "raw_path": b"", "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(b"content-type", b"multipart/form-data; boundary=x")], "state": {},
    }  # fmt: skip
    asyncio.run(service.client.app(scope, receive, send))
    assert messages[0]["status"] == 401


def test_a_missing_file_is_named(service: Service) -> None:
    reply = service.client.post(
        "/v1/predictions/classification",
        files={"deployment": (None, "classification")},
        headers=service.headers(),
    )
    assert code_of(reply) == (422, "invalid")
    assert reply.json()["errors"] == [{"pointer": "#/file", "detail": "the file is missing"}]


@pytest.mark.parametrize(
    "data", [b"", b"no image at all", png()[:-30], png(width=4, height=4)], ids=range(4)
)
def test_what_is_no_image_is_unreadable(service: Service, data: bytes) -> None:
    reply = service.ask(data)
    assert code_of(reply) == (422, "unreadable_image")
    assert reply.json()["errors"][0]["pointer"] == "#/file"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (bytes(128) + b"DICM", "DICOM"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x1f\x8brest", "gzip"),
        (b"\x00\x00\x00\x18ftypmp42", "MP4"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_other_kinds_of_file_are_not_supported(service: Service, data: bytes, kind: str) -> None:
    reply = service.ask(data)
    assert code_of(reply) == (415, "unsupported_media_type")
    assert kind in reply.json()["detail"]
    assert "(PNG, JPEG, TIFF, " in reply.json()["detail"]


def test_a_file_beyond_the_limit_is_too_large(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    image = cv2.imencode(".png", noise)[1].tobytes()
    monkeypatch.setattr(settings(), "prediction_max_bytes", 1000)
    assert code_of(service.ask(image)) == (413, "too_large")


def test_json_is_not_a_form(service: Service) -> None:
    reply = service.client.post(
        "/v1/predictions/classification", json={"file": "x"}, headers=service.headers()
    )
    assert reply.status_code == 415


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spacing_mm", "0"), ("spacing_mm", "-1"), ("spacing_mm", "nan"), ("spacing_mm", "1,2,3"),
        ("spacing_mm", "wide"), ("roi_px", "1,2,3"), ("roi_px", "5,0,5,9"), ("roi_px", "0,0,41,9"),
        ("roi_px", "a,b,c,d"), ("deployment", "d" * 200), ("colour", "red"),
        ("deployment", "a\x00b"), ("model_id", "a\nb"),
        ("spacing_mm", "1e308"), ("roi_px", "0,0," + "9" * 90 + ",9"),
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_named(service: Service, name: str, value: str) -> None:
    reply = service.ask(**{name: value})
    assert code_of(reply) == (422, "invalid")
    assert reply.json()["errors"][0]["pointer"] == f"#/{name}"


def test_a_region_that_the_task_does_not_use_is_said(service: Service) -> None:
    reply = service.ask(roi_px="0,0,40,30", spacing_mm="0.1,0.2").json()
    assert [warning["code"] for warning in reply["warnings"]] == ["roi_not_used"]


def test_what_had_to_be_converted_is_said(service: Service) -> None:
    grey = cv2.imencode(".png", np.full((20, 20), 40_000, np.uint16))[1].tobytes()
    reply = service.ask(grey).json()
    assert [warning["code"] for warning in reply["warnings"]] == ["converted_16_bit"]


def test_what_is_trained_on_is_what_is_answered_for(service: Service) -> None:
    """TIFF and EXIF-turned photographs are read by the decoder of the door."""
    tiff = io.BytesIO()
    Image.new("RGB", (40, 30), (0, 255, 0)).save(tiff, "TIFF")
    assert service.ask(tiff.getvalue()).json()["finding"]["label"] == "green"
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30), (0, 0, 255)).save(turned, "JPEG", exif=exif)
    reply = service.ask(turned.getvalue()).json()
    assert (reply["input"]["width"], reply["input"]["height"]) == (30, 40)
    assert [warning["code"] for warning in reply["warnings"]] == ["exif_rotated"]
