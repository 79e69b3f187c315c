"""Keys are made, shown once, listed and withdrawn."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from starlette.testclient import TestClient

from app.db.session import reading
from app.db.tables import Idempotency, Key

Client = Callable[..., TestClient]


def with_key(application: FastAPI, secret: str) -> TestClient:
    headers = {"Authorization": f"Bearer {secret}"}
    return TestClient(application, headers=headers, raise_server_exceptions=False)


def test_a_key_is_made_and_works(client: TestClient, application: FastAPI) -> None:
    reply = client.post("/v1/keys", json={"name": "PACS", "role": "clinician"})
    body = reply.json()
    assert reply.status_code == 201 and reply.headers["Location"] == f"/v1/keys/{body['id']}"
    assert reply.headers["Cache-Control"] == "no-store"
    assert (body["role"], body["workspace"], body["state"]) == ("clinician", "default", "active")
    assert body["key"].startswith("lt_") and body["key"].startswith(body["hint"])
    one = client.get(reply.headers["Location"]).json()
    assert one == {name: value for name, value in body.items() if name != "key"}
    mine = next(item for item in client.get("/v1/keys").json()["items"]
                if item["role"] == "admin" and item["workspace"] == "default")  # fmt: skip
    assert (one["created_by"], mine["created_by"]) == (mine["id"], None)
    assert with_key(application, body["key"]).get("/v1/models").status_code == 200
    assert with_key(application, body["key"]).get("/v1/keys").status_code == 403


def test_the_secret_is_shown_once_and_stored_nowhere(client: TestClient) -> None:
    key = {"Idempotency-Key": "k"}
    first = client.post("/v1/keys", json={"name": "x", "role": "viewer"}, headers=key).json()
    again = client.post("/v1/keys", json={"name": "x", "role": "viewer"}, headers=key).json()
    assert again == {**first, "key": None}
    listed = client.get("/v1/keys")
    assert first["id"] in listed.text and first["key"] not in listed.text
    with reading() as session:
        kept = session.scalars(select(Idempotency)).one()
        assert first["key"] not in str(kept.reply)
        row = session.get_one(Key, first["id"])
        assert first["key"] not in (row.digest, row.hint, row.name)


def test_a_revoked_key_opens_nothing(client: TestClient, application: FastAPI) -> None:
    made = client.post("/v1/keys", json={"name": "x", "role": "viewer"}).json()
    guest = with_key(application, made["key"])
    assert guest.get("/v1/models").status_code == 200
    for _ in range(2):
        assert client.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert guest.get("/v1/models").status_code == 401
    listed = {item["id"]: item for item in client.get("/v1/keys").json()["items"]}
    assert listed[made["id"]]["state"] == "revoked" and listed[made["id"]]["revoked_at"]


def test_nobody_saws_off_the_branch(client: TestClient) -> None:
    mine = next(item for item in client.get("/v1/keys").json()["items"]
                if item["role"] == "admin" and item["workspace"] == "default")  # fmt: skip
    reply = client.delete(f"/v1/keys/{mine['id']}")
    assert (reply.status_code, reply.json()["code"]) == (409, "own_key")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x"}, "#/role"),
        ({"name": "", "role": "viewer"}, "#/name"),
        ({"name": "x", "role": "root"}, "#/role"),
        ({"name": "x", "role": "viewer", "workspace": "../etc"}, "#/workspace"),
        ({"name": "x", "role": "viewer", "secret": "lt_mine"}, "#/secret"),
    ],
)
def test_wrong_fields_are_pointed_at(
    client: TestClient, body: dict[str, str], pointer: str
) -> None:
    reply = client.post("/v1/keys", json=body)
    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]


def test_the_operator_opens_workspaces_and_others_stay_in_theirs(client_as: Client) -> None:
    operator, other = client_as("admin"), client_as("elsewhere")
    wanted = {"name": "x", "role": "admin", "workspace": "ward-3"}
    opened = operator.post("/v1/keys", json=wanted).json()
    assert opened["workspace"] == "ward-3"
    assert operator.delete(f"/v1/keys/{opened['id']}").status_code == 204
    assert other.post("/v1/keys", json=wanted).status_code == 403
    own = other.post("/v1/keys", json={"name": "x", "role": "viewer"}).json()
    assert own["workspace"] == "other"
    assert {item["workspace"] for item in other.get("/v1/keys").json()["items"]} == {"other"}
    assert other.delete(f"/v1/keys/{opened['id']}").status_code == 404
    assert other.get(f"/v1/keys/{opened['id']}").status_code == 404


def test_only_admins_handle_keys(client_as: Client) -> None:
    for role in ("viewer", "clinician", "researcher"):
        guest = client_as(role)
        assert guest.get("/v1/keys").status_code == 403
        made = guest.post("/v1/keys", json={"name": "x", "role": "viewer"})
        assert made.status_code == 403
        assert guest.delete("/v1/keys/key_1").status_code == 403
        assert guest.get("/v1/keys/key_1").status_code == 403
