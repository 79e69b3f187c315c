"""Who may come in: keys, roles, workspaces, and how often; all before the body is read."""

import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from sqlalchemy import update
from starlette.testclient import TestClient

from app import auth
from app.auth import Caller, Keyring, digest, ensure_admin, keyring, mint
from app.db.session import reading, writing
from app.db.tables import Key, now
from app.main import create_app

Client = Callable[..., TestClient]
OPEN = ("/healthz/live", "/version", "/docs", "/redoc", "/openapi.json")


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_needs_no_key(client_as: Client, path: str) -> None:
    assert client_as(None).get(path).status_code == 200


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer lt_wrong", "lt_wrong", "Bearer \x7f"],
)
def test_without_a_known_key_the_answer_is_401(client_as: Client, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    response = client_as(None).get("/v1/tasks", headers=headers)
    assert response.status_code == 401
    assert response.json()["code"] == "unauthorised"
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_every_route_but_the_open_ones_asks_for_a_key(
    client_as: Client, application: FastAPI
) -> None:
    stranger, refused = client_as(None), 0
    for path, operations in application.openapi()["paths"].items():
        if path.startswith(("/healthz/", "/version")):
            continue
        for method in operations:
            assert stranger.request(method, path).status_code == 401, f"{method} {path}"
            refused += 1
    assert refused > 10


def status_unread(application: FastAPI, path: str, kind: str, secret: str) -> int:
    """Posts a body without an end; the status, having made sure that none of it was read."""
    read, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": read < 100}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "scheme": "http", "client": ("1.2.3.4", 1), "server": ("x", 80),
        "headers": [
            (b"content-type", kind.encode()), (b"authorization", f"Bearer {secret}".encode()),
        ],
    }  # fmt: skip
    anyio.run(application, scope, receive, send)
    assert read == 0
    return int(sent[0]["status"])


FORM = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/datasets", FORM), ("/v1/sweeps", "application/json")]
)
def test_a_strangers_body_is_not_read(
    application: FastAPI, sqlite: object, path: str, kind: str
) -> None:
    assert status_unread(application, path, kind, "lt_wrong") == 401


def test_a_viewers_archive_is_refused_before_it_is_read(
    application: FastAPI, keys: dict[str, str]
) -> None:
    assert status_unread(application, "/v1/datasets", FORM, keys["viewer"]) == 403


def test_each_role_may_do_what_those_below_it_may() -> None:
    allowed = {
        role: [needed for needed in auth.ROLES if Caller("key_1", role, "default").may(needed)]
        for role in auth.ROLES
    }
    assert allowed == {
        "viewer": ["viewer"],
        "clinician": ["viewer", "clinician"],
        "researcher": ["viewer", "clinician", "researcher"],
        "admin": ["viewer", "clinician", "researcher", "admin"],
    }


def test_a_revoked_key_is_refused_within_seconds(
    client_as: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_as("viewer")
    assert client.get("/v1/tasks").status_code == 200
    with writing() as session:
        session.execute(update(Key).where(Key.role == "viewer").values(revoked_at=now()))
    assert client.get("/v1/tasks").status_code == 200  # remembered for a moment
    monkeypatch.setattr(auth, "CACHED_S", 0.0)
    assert client.get("/v1/tasks").status_code == 401


def test_a_key_is_stored_only_hashed(keys: dict[str, str]) -> None:
    with reading() as session:
        rows = session.query(Key).all()
    kept = " ".join(str(vars(row)) for row in rows)
    for secret in keys.values():
        assert secret.startswith("lt_")
        assert len(secret) > 40
        assert secret not in kept
        assert digest(secret) in kept


def test_a_key_of_an_unknown_role_is_not_made(sqlite: object) -> None:
    with pytest.raises(ValueError, match="role 'root': use one of viewer"), writing() as session:
        mint(session, "x", "root", "default")


def test_the_first_start_makes_one_admin_key_in_a_private_file(db: object, var: Any) -> None:
    path = var / "admin.key"
    with writing() as session:
        secret = ensure_admin(session, path)
    assert secret is not None
    assert path.read_text() == f"{secret}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    with writing() as session:
        assert ensure_admin(session, path) is None
        assert keyring.look_up(session, digest(secret)) is not None
        assert session.query(Key).count() == 1


def test_the_admin_key_of_the_settings_is_taken(sqlite: object, var: Any) -> None:
    with writing() as session:
        assert ensure_admin(session, var / "admin.key", "lt_chosen") == "lt_chosen"
    with writing() as session:
        assert ensure_admin(session, var / "admin.key", "lt_chosen") is None


def test_a_keyring_asks_the_database_once_in_a_while(
    sqlite: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Keyring()
    with writing() as session:
        _, secret = mint(session, "a", "viewer", "default")
    assert ring.recall(digest(secret)) == (False, None)
    with reading() as session:
        caller = ring.look_up(session, digest(secret))
    assert ring.recall(digest(secret)) == (True, caller)
    monkeypatch.setattr(auth, "CACHED_S", 0.0)
    assert ring.recall(digest(secret))[0] is False


def test_who_is_too_fast_is_told_when_to_come_back(
    client_as: Client, setting: Callable[[str, object], None]
) -> None:
    setting("rate_per_s", 5)
    client = client_as("admin", create_app())
    answers = [client.get("/v1/tasks") for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.status_code for answer in answers[:5]] == [200] * 5
    assert refused
    assert refused[0].json()["code"] == "too_many_requests"
    assert refused[0].json()["retryable"] is True
    assert int(refused[0].headers["retry-after"]) >= 1


def test_an_admin_may_make_a_hundred_requests_a_second(client: TestClient) -> None:
    client.get("/v1/tasks")
    began = time.perf_counter()
    statuses = {client.get("/v1/tasks").status_code for _ in range(95)}
    assert statuses == {200}
    assert time.perf_counter() - began < 30


def test_a_database_that_is_away_is_503_not_401(
    client_as: Client, setting: Callable[[str, object], None]
) -> None:
    client = client_as("admin")
    keyring.forget()
    setting("database_url", "postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=1")
    response = client.get("/v1/tasks")
    assert response.status_code == 503
    assert response.json()["code"] == "database_unavailable"
    assert "retry-after" in response.headers
