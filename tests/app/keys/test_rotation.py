"""A key ends by itself, is given a new secret, and cannot come back through its old one."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app import auth
from app.auth import Terms, digest, ensure_admin, keyring, mint, rotate
from app.db.session import reading, writing
from app.db.tables import Key, RetiredSecret
from tests.app.keys.test_keys import with_key

Client = Callable[..., TestClient]
NEW = {"name": "PACS", "role": "viewer"}


def status(application: FastAPI, secret: str) -> int:
    return with_key(application, secret).get("/v1/models").status_code


def test_a_rotated_key_has_a_new_secret_and_stays_what_it_was(
    client: TestClient, application: FastAPI
) -> None:
    made = client.post("/v1/keys", json=NEW).json()
    reply = client.post(f"/v1/keys/{made['id']}/rotate", json={"grace_s": 3600})
    turned = reply.json()
    assert (reply.status_code, reply.headers["Cache-Control"]) == (200, "no-store")
    assert turned["id"] == made["id"] and turned["role"] == "viewer" and turned["rotated_at"]
    assert turned["key"] != made["key"] and turned["key"].startswith(turned["hint"])
    assert [status(application, one["key"]) for one in (made, turned)] == [200, 200]
    entry = client.get("/v1/audit").json()["items"][0]
    assert (entry["action"], entry["resource"]) == ("rotate_key", made["id"])


def test_without_grace_the_old_secret_ends_at_once(
    client: TestClient, application: FastAPI
) -> None:
    made = client.post("/v1/keys", json=NEW).json()
    assert status(application, made["key"]) == 200
    turned = client.post(f"/v1/keys/{made['id']}/rotate", json={"grace_s": 0}).json()
    refused = with_key(application, made["key"]).get("/v1/models")
    assert (refused.status_code, status(application, turned["key"])) == (401, 200)
    assert "was replaced by a new one" in refused.json()["detail"]


def test_a_second_rotation_ends_the_first_secret_and_keeps_the_second_for_its_grace(
    client: TestClient, application: FastAPI
) -> None:
    secrets = [client.post("/v1/keys", json=NEW).json()]
    for _ in range(2):
        path = f"/v1/keys/{secrets[0]['id']}/rotate"
        secrets.append(client.post(path, json={"grace_s": 3600}).json())
    assert [status(application, one["key"]) for one in secrets] == [401, 200, 200]


def test_an_old_secret_ends_when_its_grace_does_though_it_is_remembered(
    client: TestClient, application: FastAPI
) -> None:
    made = client.post("/v1/keys", json=NEW).json()
    client.post(f"/v1/keys/{made['id']}/rotate", json={"grace_s": 0.4})
    assert status(application, made["key"]) == 200  # remembered from here on
    time.sleep(0.45)
    assert auth.CACHED_S > 0.45
    assert status(application, made["key"]) == 401


def test_a_key_ends_when_it_was_said_to_though_it_is_remembered(
    client: TestClient, application: FastAPI
) -> None:
    end = datetime.now(UTC) + timedelta(seconds=0.8)
    made = client.post("/v1/keys", json={**NEW, "expires_at": end.isoformat()}).json()
    assert (made["state"], status(application, made["key"])) == ("active", 200)
    time.sleep(0.85)
    refused = with_key(application, made["key"]).get("/v1/models")
    assert refused.status_code == 401 and "has expired" in refused.json()["detail"]
    assert client.get(f"/v1/keys/{made['id']}").json()["state"] == "expired"


def test_an_expired_key_is_renewed_by_a_rotation_with_a_new_end(
    client: TestClient, application: FastAPI
) -> None:
    with writing() as session:
        past = Terms(expires_at=datetime.now(UTC) - timedelta(days=1))
        key, _ = mint(session, "x", "viewer", "default", terms=past)
    path = f"/v1/keys/{key.id}/rotate"
    assert client.post(path, json={}).json()["code"] == "key_expired"
    end = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    renewed = client.post(path, json={"expires_at": end}).json()
    assert renewed["state"] == "active" and status(application, renewed["key"]) == 200


def test_a_revoked_key_is_not_rotated_back(client: TestClient, application: FastAPI) -> None:
    made = client.post("/v1/keys", json=NEW).json()
    turned = client.post(f"/v1/keys/{made['id']}/rotate", json={}).json()
    client.delete(f"/v1/keys/{made['id']}")
    assert [status(application, one["key"]) for one in (made, turned)] == [401, 401]
    reply = client.post(f"/v1/keys/{made['id']}/rotate", json={})
    assert (reply.status_code, reply.json()["code"]) == (409, "key_revoked")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({**NEW, "expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        ({**NEW, "expires_at": "2120-01-01T00:00:00"}, "#/expires_at"),
        ({**NEW, "rate_per_s": 0}, "#/rate_per_s"),
        ({**NEW, "upload_max_bytes": -1}, "#/upload_max_bytes"),
    ],
)
def test_wrong_terms_are_pointed_at(
    client: TestClient, body: dict[str, object], pointer: str
) -> None:
    reply = client.post("/v1/keys", json=body)
    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]


def test_a_rotation_asked_for_twice_is_done_once_and_its_secret_is_shown_once(
    client: TestClient, application: FastAPI
) -> None:
    made = client.post("/v1/keys", json=NEW).json()
    once = {"Idempotency-Key": "k"}
    path = f"/v1/keys/{made['id']}/rotate"
    first = client.post(path, json={}, headers=once).json()
    again = client.post(path, json={}, headers=once).json()
    assert again == {**first, "key": None}
    assert status(application, first["key"]) == 200


def test_only_the_digest_of_an_old_secret_is_kept(sqlite: object) -> None:
    with writing() as session:
        key, old = mint(session, "x", "viewer", "default")
        new = rotate(session, key, 60)
    with reading() as session:
        kept = session.query(RetiredSecret).one()
        assert (kept.digest, session.query(Key).one().digest) == (digest(old), digest(new))


def test_a_replaced_admin_secret_is_not_made_anew_at_the_next_start(db: object, var: Path) -> None:
    """The file, or the setting, may hold it for years: it must not bring a leaked key back."""
    with writing() as session:
        secret = ensure_admin(session, var / "admin.key")
        key = session.query(Key).one()
        for _ in range(3):
            rotate(session, key, 0)
    assert secret is not None
    with writing() as session:
        assert ensure_admin(session, var / "admin.key") is None
        assert ensure_admin(session, var / "admin.key", secret) is None
        assert session.query(Key).count() == 1
        keyring.forget()
        assert keyring.look_up(session, digest(secret)) is None
        assert keyring.refusal(digest(secret)).reason == "replaced"


def test_where_every_admin_key_has_ended_a_start_makes_one(sqlite: object, var: Path) -> None:
    with writing() as session:
        past = Terms(expires_at=datetime.now(UTC) - timedelta(days=1))
        mint(session, "x", "admin", "default", terms=past)
    with writing() as session:
        assert ensure_admin(session, var / "admin.key") is not None
