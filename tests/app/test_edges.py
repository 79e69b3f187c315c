"""Every reply that is not a success is a problem, and a commit that fails is never a success."""

import json
from collections.abc import Callable
from typing import Annotated

import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from app.db.session import reading
from app.db.tables import Audit, Heartbeat, now
from app.deps import Admin, BodyDigest, ReadSession, Viewer, WriteSession
from app.errors import Conflict
from app.main import create_app
from app.observe import where
from app.storage import AwayError

Client = Callable[..., TestClient]
FIELDS = {"type", "title", "status", "detail", "code", "retryable", "request_id", "errors"}


class Thing(BaseModel):
    name: Annotated[str, Field(min_length=1)]
    size: int = 0


@pytest.fixture(scope="module")
def strange() -> FastAPI:
    """The application with a few routes that behave badly."""
    app = create_app()

    @app.post("/v1/things", status_code=201, operation_id="create_thing")
    def create(
        _: Admin, session: WriteSession, thing: Thing, request: Request, digest: BodyDigest
    ) -> dict[str, str]:
        session.add(Heartbeat(worker=thing.name, queues=digest, at=now()))
        request.state.resource = thing.name
        if thing.size < 0:
            raise Conflict("negative", "things are not negative")
        return {"name": thing.name}

    @app.get("/v1/boom")
    def boom(_: Viewer) -> None:
        raise RuntimeError("Mrs Miller's left breast")

    @app.get("/v1/things/{name}")
    def get(_: Viewer, session: ReadSession, name: str) -> dict[str, str]:
        return {"worker": session.get_one(Heartbeat, name).worker}

    return app


@pytest.fixture
def client(client_as: Client, strange: FastAPI) -> TestClient:
    return client_as("admin", strange)


def stored() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(Heartbeat.worker)))


def problem(response: object, status: int, code: str) -> dict[str, object]:
    assert response.status_code == status, response.text  # type: ignore[attr-defined]
    assert response.headers["content-type"] == "application/problem+json"  # type: ignore[attr-defined]
    body: dict[str, object] = response.json()  # type: ignore[attr-defined]
    assert set(body) == FIELDS
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == response.headers["x-request-id"]  # type: ignore[attr-defined]
    return body


def test_what_was_answered_with_success_is_stored(client: TestClient) -> None:
    assert client.post("/v1/things", json={"name": "a"}).status_code == 201
    assert stored() == ["a"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("COMMIT", {}, Exception("disk I/O error")), 503, "database_unavailable"),
        (AwayError("the file store does not answer"), 503, "storage_unavailable"),
        (RuntimeError("anything else"), 500, "internal_error"),
    ],
)
def test_a_commit_that_fails_is_never_answered_with_success(
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    code: str,
) -> None:
    def broken(_: Session) -> None:
        raise error

    monkeypatch.setattr("sqlalchemy.orm.session.SessionTransaction.commit", broken)
    problem(client.post("/v1/things", json={"name": "a"}), status, code)
    monkeypatch.undo()
    assert stored() == []


def test_a_problem_undoes_what_the_request_did(client: TestClient) -> None:
    problem(client.post("/v1/things", json={"name": "a", "size": -1}), 409, "negative")
    assert stored() == []
    with reading() as session:
        assert session.scalars(select(Audit)).all() == []


def test_a_change_is_audited_in_its_own_transaction(
    client: TestClient, keys: dict[str, str]
) -> None:
    client.post("/v1/things", json={"name": "a"}, headers={"X-Request-ID": "from-outside-1"})
    with reading() as session:
        row = session.scalars(select(Audit)).one()
    assert (row.action, row.resource, row.status) == ("create_thing", "a", 201)
    assert (row.workspace, row.request_id) == ("default", "from-outside-1")
    assert row.key_id is not None
    assert row.key_id.startswith("key_")


def test_what_two_make_at_once_is_a_conflict_for_the_second(client: TestClient) -> None:
    client.post("/v1/things", json={"name": "a"})
    body = problem(client.post("/v1/things", json={"name": "a"}), 409, "conflict")
    assert body["retryable"] is True


def test_a_bug_is_a_500_without_a_word_of_its_inside(client: TestClient) -> None:
    with capture_logs() as logged:
        response = client.get("/v1/boom")
    problem(response, 500, "internal_error")
    assert "Miller" not in response.text
    assert "Traceback" not in response.text
    bug = next(line for line in logged if line["event"] == "bug")
    assert bug["error"] == "RuntimeError"
    assert bug["request_id"] == response.headers["x-request-id"]
    assert any("test_edges.py" in frame for frame in bug["where"])
    assert "Miller" not in str(logged)


def test_where_an_error_came_from_is_told_without_its_message() -> None:
    try:
        raise ValueError("secret")
    except ValueError as error:
        frames = where(error)
    assert len(frames) == 1
    assert "secret" not in frames[0]


def test_an_unknown_path_is_404(client: TestClient) -> None:
    problem(client.get("/v1/nothing"), 404, "not_found")
    problem(client.get("/nothing"), 404, "not_found")


def test_a_wrong_method_is_405_and_names_the_right_ones(client: TestClient) -> None:
    response = client.delete("/v1/tasks")
    problem(response, 405, "method_not_allowed")
    assert "GET" in response.headers["allow"]


def test_a_body_that_is_not_json_is_415(client: TestClient) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    problem(client.post("/v1/things", content=b"a=b", headers=form), 415, "unsupported_media_type")


def test_a_form_sent_to_a_json_route_is_415_unread(client: TestClient) -> None:
    response = client.post("/v1/things", files={"file": b"x"})
    problem(response, 415, "unsupported_media_type")


def test_broken_json_is_422(client: TestClient) -> None:
    headers = {"content-type": "application/json"}
    body = problem(client.post("/v1/things", content=b"{", headers=headers), 422, "invalid_json")
    assert body["errors"]


def test_a_wrong_field_is_named_and_what_came_is_not_repeated(client: TestClient) -> None:
    response = client.post("/v1/things", json={"name": "a", "size": "Mrs Miller"})
    body = problem(response, 422, "invalid_request")
    assert body["errors"] == [
        {
            "pointer": "#/size",
            "detail": "Input should be a valid integer, unable to parse string as an integer",
        }
    ]
    assert "Miller" not in response.text


def test_a_wrong_query_is_named(client: TestClient) -> None:
    body = problem(client.get("/v1/datasets?limit=201"), 422, "invalid_request")
    assert [error["pointer"] for error in body["errors"]] == ["query/limit"]  # type: ignore[attr-defined]


def test_a_body_with_a_length_beyond_the_bound_is_413(client: TestClient) -> None:
    body = json.dumps({"name": "x" * (1 << 20)})
    headers = {"content-type": "application/json"}
    problem(client.post("/v1/things", content=body, headers=headers), 413, "too_large")


def test_a_body_that_grows_beyond_the_bound_is_cut_off(client: TestClient) -> None:
    parts = (b"x" * 65_536 for _ in range(17))  # just above a MiB; a generator sends no length
    headers = {"content-type": "application/json"}
    problem(client.post("/v1/things", content=parts, headers=headers), 413, "too_large")


def test_a_request_id_is_taken_over_or_made(client: TestClient) -> None:
    given = client.get("/version", headers={"X-Request-ID": "scan-42.a"})
    assert given.headers["x-request-id"] == "scan-42.a"
    for bad in ("", "with space", "ü", "x" * 129, "new\\nline{}"):
        made = client.get("/version", headers={"X-Request-ID": bad.encode()})
        assert made.headers["x-request-id"].startswith("req_")
