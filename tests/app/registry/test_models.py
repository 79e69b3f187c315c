"""Models are shown, downloaded, registered by their run, and imported."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from app.db.session import reading, writing
from app.db.tables import Model, Registration
from app.storage import files
from tests.app import rows
from tests.app.registry import networks

ENDED = {"states": ("succeeded", "failed"), "finish": "succeeded"}
POLYP: dict[str, Any] = {"task": "polyp", "classes": ["polyp"], "positive": "polyp"}


def test_a_model_shows_its_card(client: TestClient) -> None:
    made = rows.model(validation={"auc": {"value": 0.93}})
    body = client.get(f"/v1/models/{made}").json()
    assert (body["id"], body["state"], body["task"]) == (made, "registered", "classification")
    assert body["arm"] == "depth:2" and body["validation"] == {"auc": {"value": 0.93}}
    assert body["files"]["model.onnx"]["href"] == f"/v1/models/{made}/files/model.onnx"
    assert body["files"]["model.onnx"]["bytes"] == 10
    assert "object" not in body["files"]["model.onnx"]
    assert [item["id"] for item in client.get("/v1/models").json()["items"]] == [made]
    assert client.get("/v1/models", params={"task": "frame_quality"}).json()["items"] == []


def test_a_card_cannot_speak_for_the_registry(client: TestClient) -> None:
    made = rows.model(id="mdl_other", state="failed", digest="sha256:0")
    body = client.get(f"/v1/models/{made}").json()
    assert (body["id"], body["state"]) == (made, "registered")
    assert body["digest"] == "sha256:" + "e" * 64


# ---- files ----------------------------------------------------------------------------------


def get(client: TestClient, **headers: str) -> Any:
    made = rows.model()
    return client.get(f"/v1/models/{made}/files/model.onnx", headers=headers)


def test_a_file_comes_whole_with_its_digest_as_etag(client: TestClient) -> None:
    reply = get(client)
    assert (reply.status_code, reply.content) == (200, b"0123456789")
    assert reply.headers["ETag"] == '"' + "e" * 64 + '"'
    assert reply.headers["Accept-Ranges"] == "bytes" and reply.headers["Content-Length"] == "10"


def test_a_file_held_already_is_not_sent(client: TestClient) -> None:
    reply = get(client, **{"If-None-Match": '"' + "e" * 64 + '"'})
    assert reply.status_code == 304 and reply.content == b""


@pytest.mark.parametrize(
    ("asked", "content", "span"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=-100", b"0123456789", "bytes 0-9/10"),
    ],
)
def test_a_part_of_a_file(client: TestClient, asked: str, content: bytes, span: str) -> None:
    reply = get(client, Range=asked)
    assert (reply.status_code, reply.content) == (206, content)
    assert reply.headers["Content-Range"] == span


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=-", "x"])
def test_a_range_that_is_none_is_ignored(client: TestClient, asked: str) -> None:
    assert get(client, Range=asked).status_code == 200


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=11-12", "bytes=-0"])
def test_a_range_outside_the_file_is_416(client: TestClient, asked: str) -> None:
    reply = get(client, Range=asked)
    assert (reply.status_code, reply.json()["code"]) == (416, "range_not_satisfiable")
    assert reply.headers["Content-Range"] == "bytes */10"


def test_a_range_of_another_version_gets_the_whole(client: TestClient) -> None:
    assert get(client, Range="bytes=0-1", **{"If-Range": '"old"'}).status_code == 200
    assert get(client, Range="bytes=0-1", **{"If-Range": '"' + "e" * 64 + '"'}).status_code == 206


def test_an_unknown_file_is_404_and_the_known_are_named(client: TestClient) -> None:
    reply = client.get(f"/v1/models/{rows.model()}/files/secrets.txt")
    assert reply.status_code == 404 and "model.onnx" in reply.json()["detail"]


# ---- by run ---------------------------------------------------------------------------------


def test_another_run_is_registered_by_a_lane(
    client: TestClient, bells: list[tuple[str, str]]
) -> None:
    sweep_id, runs = rows.sweep(**ENDED)  # type: ignore[arg-type]
    reply = client.post("/v1/models", json={"run_id": runs[0]})
    body = reply.json()
    assert (reply.status_code, body["state"], body["run_id"]) == (202, "queued", runs[0])
    assert body["id"].startswith("mdl_") and body["arm"] == "depth:1"
    assert reply.headers["Location"] == f"/v1/models/{body['id']}"
    assert bells == [("tune", sweep_id)]
    assert client.get(reply.headers["Location"]).json() == body
    again = client.post("/v1/models", json={"run_id": runs[0]})
    assert (again.status_code, again.json()["id"]) == (202, body["id"])
    with reading() as session:
        assert session.get_one(Registration, body["id"]).sweep_id == sweep_id
        assert session.scalar(select(func.count()).select_from(Registration)) == 1


def test_a_registration_that_failed_may_be_tried_again(client: TestClient) -> None:
    _, runs = rows.sweep(**ENDED)  # type: ignore[arg-type]
    made = client.post("/v1/models", json={"run_id": runs[0]}).json()["id"]
    with writing() as session:
        wish = session.get_one(Registration, made)
        wish.state, wish.failure = "failed", {"code": "bug", "detail": "export"}
    failed = client.get(f"/v1/models/{made}").json()
    assert (failed["state"], failed["failure"]["code"]) == ("failed", "bug")
    again = client.post("/v1/models", json={"run_id": runs[0]}).json()
    assert (again["id"], again["state"], again["failure"]) == (made, "queued", None)


def test_a_registered_run_is_answered_with_its_model(client: TestClient) -> None:
    _, runs = rows.sweep(**ENDED)  # type: ignore[arg-type]
    made = rows.model(run_id=runs[0])
    reply = client.post("/v1/models", json={"run_id": runs[0]})
    assert (reply.status_code, reply.json()["id"]) == (200, made)


def test_what_cannot_be_registered(client: TestClient) -> None:
    _, runs = rows.sweep(**ENDED)  # type: ignore[arg-type]
    failed = client.post("/v1/models", json={"run_id": runs[1]})
    assert (failed.status_code, failed.json()["code"]) == (409, "run_not_succeeded")
    _, busy = rows.sweep(states=("succeeded", "running"))
    early = client.post("/v1/models", json={"run_id": busy[0]})
    assert (early.status_code, early.json()["code"]) == (409, "sweep_not_ended")
    _, foreign = rows.sweep(workspace="other", **ENDED)  # type: ignore[arg-type]
    for unseen in (foreign[0], "run_nowhere"):
        assert client.post("/v1/models", json={"run_id": unseen}).status_code == 404
    _, runs = rows.sweep(dataset_id=rows.dataset(state="deleted"), **ENDED)  # type: ignore[arg-type]
    reply = client.post("/v1/models", json={"run_id": runs[0]})
    assert (reply.status_code, reply.json()["code"]) == (409, "dataset_gone")


def test_a_wrong_body_is_pointed_at(client: TestClient) -> None:
    for body, where in (({}, "#/run_id"), ({"run_id": ""}, "#/run_id")):
        reply = client.post("/v1/models", json=body)
        assert reply.status_code == 422 and reply.json()["errors"][0]["pointer"] == where
    torn = client.post("/v1/models", content=b"{", headers={"Content-Type": "application/json"})
    assert torn.status_code == 422


# ---- by bundle ------------------------------------------------------------------------------


def send(client: TestClient, content: bytes, **headers: str) -> Any:
    return client.post("/v1/models", files={"bundle": ("b.zip", content)}, headers=headers)


def test_a_bundle_is_imported_and_can_be_deployed(client: TestClient) -> None:
    reply = send(client, networks.bundle(serving={"bf16": True}, id="mdl_liar"))
    body = reply.json()
    assert reply.status_code == 201, body
    assert body["state"] == "registered" and body["imported"] is True
    assert body["id"] != "mdl_liar" and "serving" not in body
    found = client.get(f"{reply.headers['Location']}/files/model.onnx")
    assert found.content == networks.network()
    card = client.get(f"{reply.headers['Location']}/files/card.json").json()
    assert card["classes"] == ["benign", "malignant"] and "serving" not in card
    put = client.put("/v1/deployments/classification", json={"model_id": body["id"]})
    assert put.status_code == 200 and put.json()["operating_point"]["name"] == "youden"
    assert list(files().names("uploads/")) == []


def deep(levels: int) -> list[object]:
    """A list in a list in a list."""
    found: list[object] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)  # judged before a database is asked
@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (b"no zip at all", "not_a_bundle", "zip"),
        (networks.damaged(), "not_a_bundle", "zip"),
        (networks.bundle({"card.json": b'{"note": "\\ud800"}'}), "bad_card", "JSON"),
        (networks.bundle({"card.json": b'{"note": 1e999}'}), "bad_card", "JSON"),
        (networks.bundle(note=deep(400)), "bad_card", "32 levels"),
        (networks.bundle(operating_points=[{"name": "x", "threshold": 10**400}]), "bad_card", "0"),
        (networks.bundle(operating_points=[{"name": "x"}]), "bad_card", "operating_points"),
        (networks.bundle({"model.onnx": networks.network(size=100_000)}), "bad_network", "100000"),
        (networks.bundle({"model.onnx": networks.network(size="s")}), "bad_network", "-1"),
        (networks.bundle({"model.onnx": networks.network(axis=[1, 2, 3])}), "bad_network", ""),
        (networks.bundle({"card.json": b""}), "incomplete_bundle", "card.json"),
        (networks.bundle({"model.onnx": b""}), "incomplete_bundle", "model.onnx"),
        (networks.bundle({"weights.pt": b"x"}), "pickle_refused", "weights.pt"),
        (networks.bundle({"readme.txt": b"x"}), "unknown_member", "readme.txt"),
        (networks.bundle({"../model.onnx": b"x"}), "unknown_member", "../model.onnx"),
        (networks.bundle({"card.json": b"{"}), "bad_card", "JSON"),
        (networks.bundle({"card.json": b"[]"}), "bad_card", "object"),
        (networks.bundle(task="astrology"), "bad_card", "astrology"),
        (networks.bundle(task="frame_quality"), "bad_card", "frame_quality"),
        (networks.bundle(classes=["one"]), "bad_card", "classes"),
        (networks.bundle(classes=["a", "a"], positive=None), "bad_card", "classes"),
        (networks.bundle(positive="cat"), "bad_card", "cat"),
        (networks.bundle(scoring=[0.0, 1.0]), "bad_card", "scoring: 0 numbers"),
        (networks.bundle(scoring=7), "bad_card", "scoring"),
        (networks.bundle(**POLYP, scoring=[0.0, 1.0]), "bad_card", "scoring: 6 numbers"),
        (networks.bundle(**POLYP, scoring=[0, 0, 1, 0, 0, "x"]), "bad_card", "scoring"),
        (networks.bundle(**POLYP, scoring=[0, 0, 1, 0, 0, 10**400]), "bad_card", "scoring"),
        (networks.bundle(**POLYP, mask_values=[255]), "bad_card", "mask_values"),
        (networks.bundle(**POLYP, mask_values=[1, 2]), "bad_card", "mask_values"),
        (networks.bundle(**POLYP, mask_values=1), "bad_card", "mask_values"),
        (
            networks.bundle(operating_points=[{"name": "x", "threshold": 0, "fp_per_image": "1"}]),
            "bad_card",
            "operating_points",
        ),
        (
            networks.bundle(
                task="segmentation", classes=[f"c{k}" for k in range(255)], positive=None
            ),
            "bad_card",
            "at most 254",
        ),
        (networks.bundle(operating_points=[{"threshold": 2}]), "bad_card", "operating_points"),
        (networks.bundle({"model.onnx": b"not onnx"}), "bad_network", "model.onnx"),
        (networks.bundle({"model.onnx": networks.network(classes=3)}), "bad_network", "3 outputs"),
        (networks.bundle({"model.onnx": networks.network(softmax=False)}), "bad_network", "sum"),
        (
            networks.bundle({"model.onnx": networks.network(external=True)}),
            "bad_network",
            "outside",
        ),
        (networks.bundle({"model.onnx": networks.foreign()}), "bad_network", "com.example"),
        (networks.bundle({"weights.safetensors": b"\x80\x04pickle"}), "bad_weights", "weights"),
    ],
)
def test_what_is_no_good_bundle_is_refused(
    client: TestClient, content: bytes, code: str, word: str
) -> None:
    refused(client, content, code, word)


def test_a_refusal_leaves_nothing_in_any_database(client: TestClient) -> None:
    refused(client, b"PK", "not_a_bundle", "zip")
    foreign = networks.bundle({"model.onnx": networks.foreign()})
    refused(client, foreign, "bad_network", "com.example")


def refused(client: TestClient, content: bytes, code: str, word: str) -> None:
    reply = send(client, content)
    assert (reply.status_code, reply.json()["code"]) == (422, code), reply.text
    assert word in reply.json()["detail"]
    assert reply.json()["errors"][0]["pointer"] == "#/bundle"
    assert list(files().names("uploads/")) == []
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Model)) == 0


def test_the_same_key_imports_once(client: TestClient) -> None:
    content, key = networks.bundle(), {"Idempotency-Key": "k"}
    first, second = send(client, content, **key), send(client, content, **key)
    assert (second.status_code, second.json()) == (201, first.json())
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Model)) == 1


def test_another_workspace_sees_nothing(client_as: Callable[..., TestClient]) -> None:
    made, other = rows.model(), client_as("elsewhere")
    for path in ("", "/files/model.onnx"):
        assert other.get(f"/v1/models/{made}{path}").status_code == 404
    assert other.get("/v1/models").json()["items"] == []
    put = other.put("/v1/deployments/classification", json={"model_id": made})
    assert put.status_code == 404


def test_clinicians_register_nothing(client_as: Callable[..., TestClient]) -> None:
    _, runs = rows.sweep(**ENDED)  # type: ignore[arg-type]
    reply = client_as("clinician").post("/v1/models", json={"run_id": runs[0]})
    assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
    assert json.loads(reply.text)["request_id"]
