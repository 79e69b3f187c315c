"""An archive comes in: fields in any order, digests compared, limits kept, nothing left behind."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from app import disk
from app.db.session import reading
from app.db.tables import Audit, Dataset
from app.storage import files

ARCHIVE = b"PK\x03\x04 not looked at by the API" * 100
FIELDS = {"task": "classification", "name": "spring"}

Post = Callable[..., Any]


@pytest.fixture
def post(client: TestClient) -> Post:
    """Uploads ARCHIVE with FIELDS, each changed as asked; None leaves a field out."""

    def upload(
        archive: bytes | None = ARCHIVE, headers: dict[str, str] | None = None, **changed: Any
    ) -> Any:
        fields = {name: value for name, value in {**FIELDS, **changed}.items() if value is not None}
        sent = {"archive": ("a.zip", archive)} if archive is not None else {"": ("", b"")}
        return client.post("/v1/datasets", data=fields, files=sent, headers=headers or {})

    return upload


def stored() -> list[str]:
    return list(files().names("uploads/"))


def form(*parts: tuple[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """A multipart body with the parts in just this order."""
    body = b""
    for name, value in parts:
        file = b'; filename="a.zip"' if name == "archive" else b""
        body += b"--edge\r\nContent-Disposition: form-data; name=" + f'"{name}"'.encode() + file
        body += b"\r\n\r\n" + value + b"\r\n"
    return body + b"--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"}


def test_an_upload_is_stored_and_its_check_rung_for(
    post: Post, client: TestClient, bells: list[tuple[str, str]]
) -> None:
    reply = post(positive="malignant")
    assert reply.status_code == 202
    body = reply.json()
    assert body["state"] == "checking" and body["positive"] == "malignant"
    assert body["upload_sha256"] == hashlib.sha256(ARCHIVE).hexdigest()
    assert reply.headers["Location"] == f"/v1/datasets/{body['id']}"
    assert bells == [("check", body["id"])]
    assert [files().get_bytes(name) for name in stored()] == [ARCHIVE]
    assert client.get(reply.headers["Location"]).json() == body


def test_an_optional_field_left_empty_was_not_given(post: Post) -> None:
    reply = post(sha256="", positive="")
    assert (reply.status_code, reply.json()["positive"]) == (202, None)


def test_fields_may_come_after_the_archive(client: TestClient) -> None:
    digest = hashlib.sha256(ARCHIVE).hexdigest().upper().encode()
    parts = (("archive", ARCHIVE), ("sha256", digest), ("name", b"x"), ("task", b"classification"))
    body, headers = form(*parts)
    assert client.post("/v1/datasets", content=body, headers=headers).status_code == 202


def test_a_wrong_digest_is_refused_and_nothing_is_kept(post: Post) -> None:
    reply = post(sha256="0" * 64)
    assert reply.status_code == 422
    assert reply.json()["code"] == "checksum_mismatch"
    assert reply.json()["errors"][0]["pointer"] == "#/sha256"
    assert hashlib.sha256(ARCHIVE).hexdigest() in reply.json()["detail"]
    assert stored() == []


@pytest.mark.parametrize(
    ("changed", "pointers"),
    [
        ({"task": None}, {"#/task"}),
        ({"name": None}, {"#/name"}),
        ({"task": None, "name": None}, {"#/task", "#/name"}),
        ({"task": "astrology"}, {"#/task"}),
        ({"name": ""}, {"#/name"}),
        ({"name": "n" * 201}, {"#/name"}),
        ({"name": "n" * 5000}, {"#/name"}),
        ({"sha256": "abc"}, {"#/sha256"}),
        ({"colour": "red"}, {"#/colour"}),
        ({"task": "frame_quality", "positive": "malignant"}, {"#/positive"}),
        ({"archive": b""}, {"#/archive"}),
        ({"archive": None}, {"#/archive"}),
    ],
)
def test_every_missing_or_wrong_field_is_pointed_at(
    post: Post, changed: dict[str, Any], pointers: set[str]
) -> None:
    reply = post(**changed)
    assert reply.status_code == 422, reply.text
    assert {error["pointer"] for error in reply.json()["errors"]} == pointers
    assert stored() == []


def test_an_unknown_task_is_refused_before_the_archive_is_read(client: TestClient) -> None:
    # The form never ends: whoever waits for its end would call it torn.
    whole, headers = form(("task", b"astrology"), ("name", b"x"), ("archive", b"y" * 3_000_000))
    reply = client.post("/v1/datasets", content=whole[:-1000], headers=headers)
    assert reply.status_code == 422
    assert "classification" in reply.json()["errors"][0]["detail"]
    assert stored() == []


def test_an_archive_beyond_the_limit_is_cut_off(
    post: Post, client: TestClient, setting: Callable[[str, object], None]
) -> None:
    setting("archive_max_bytes", 1000)
    assert post().status_code == 413
    big, headers = form(("archive", b"z" * 200_000))
    by_length = client.post("/v1/datasets", content=big, headers=headers)
    assert by_length.status_code == 413 and by_length.json()["code"] == "too_large"

    def unannounced() -> Any:
        yield from (big[start : start + 5000] for start in range(0, len(big), 5000))

    midway = client.post("/v1/datasets", content=unannounced(), headers=headers)
    assert midway.status_code == 413 and midway.json()["code"] == "too_large"
    assert stored() == []


def test_a_full_disk_refuses_uploads(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda: 10)
    reply = post()
    assert reply.status_code == 507
    assert reply.json()["code"] == "disk_full" and reply.json()["retryable"] is True
    assert stored() == []


def test_what_is_no_form_is_415_and_a_torn_form_400(client: TestClient) -> None:
    plain = client.post("/v1/datasets", content=b"x", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415
    as_json = client.post("/v1/datasets", json={"task": "classification"})
    assert as_json.status_code == 415
    body, headers = form(("task", b"classification"), ("name", b"x"), ("archive", ARCHIVE))
    torn = client.post("/v1/datasets", content=body[:-200], headers=headers)
    assert torn.status_code == 400 and torn.json()["code"] == "malformed_form"
    assert client.post("/v1/datasets", content=b"garbage", headers=headers).status_code == 400
    assert stored() == []


def test_the_caller_is_known_before_the_body_is_read(
    client_as: Callable[..., TestClient],
) -> None:
    _, headers = form()
    assert client_as(None).post("/v1/datasets", content=b"", headers=headers).status_code == 401
    for role in ("viewer", "clinician"):
        found = client_as(role).post("/v1/datasets", data=FIELDS, files={"archive": ARCHIVE})
        assert found.status_code == 403
    assert stored() == []


def test_the_same_key_and_archive_replay_the_reply(
    post: Post, bells: list[tuple[str, str]]
) -> None:
    key = {"Idempotency-Key": "one"}
    first, second = post(headers=key), post(headers=key)
    assert (second.status_code, second.json()) == (202, first.json())
    assert second.headers["Location"] == first.headers["Location"]
    assert len(bells) == 1 and len(stored()) == 1
    other = post(archive=b"another", headers=key)
    assert other.status_code == 422 and other.json()["code"] == "idempotency_key_reused"
    assert len(stored()) == 1
    with reading() as session:
        assert len(session.scalars(select(Dataset)).all()) == 1


def test_an_upload_is_audited(post: Post) -> None:
    made = post().json()["id"]
    with reading() as session:
        row = session.scalars(select(Audit).where(Audit.resource == made)).one()
    assert (row.action, row.status, row.workspace) == ("create_dataset", 202, "default")


def test_a_row_that_cannot_be_stored_leaves_no_upload(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the database went away")

    monkeypatch.setattr("app.datasets.service.create", broken)
    assert post().status_code == 500
    assert stored() == []
