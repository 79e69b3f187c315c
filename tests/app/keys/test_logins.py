"""When a key was used first and last, and which were refused: written aside, bounded, audited."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, select, update
from starlette.testclient import TestClient

from app.auth import Caller, Refusal, mint
from app.db.chain import verify
from app.db.session import reading, writing
from app.db.tables import Audit, Key
from app.keys import logins as module
from app.keys.logins import Logins, logins
from tests.app.keys.test_keys import with_key


def made() -> tuple[Caller, str]:
    with writing() as session:
        key, secret = mint(session, "x", "viewer", "default")
    return Caller(key.id, "viewer", "default"), secret


def audited(action: str) -> list[Audit]:
    with reading() as session:
        return list(session.scalars(select(Audit).where(Audit.action == action)))


def test_the_first_use_of_a_key_is_audited_once_and_the_last_is_noted(db: Engine) -> None:
    caller, _ = made()
    ours, another_replica = Logins(), Logins()
    for one in (ours, another_replica):
        one.used(caller, "req_1")
        one.write()
    (entry,) = audited("key_first_used")
    assert (entry.key_id, entry.workspace, entry.resource) == (caller.key_id, "default",
                                                               caller.key_id)  # fmt: skip
    with reading() as session:
        used = session.get_one(Key, caller.key_id).last_used_at
        assert verify(session).intact
    assert used is not None and datetime.now(UTC) - used < timedelta(minutes=1)


def test_requests_do_not_write_and_the_end_of_serving_does(
    client: TestClient, application: FastAPI
) -> None:
    secret = client.post("/v1/keys", json={"name": "x", "role": "viewer"}).json()
    with TestClient(application, headers={"Authorization": f"Bearer {secret['key']}"}) as guest:
        assert guest.get("/v1/models").status_code == 200
        assert client.get(f"/v1/keys/{secret['id']}").json()["last_used_at"] is None
    assert client.get(f"/v1/keys/{secret['id']}").json()["last_used_at"]
    page = client.get("/v1/audit", params={"action": "key_first_used"}).json()
    assert secret["id"] in {entry["key_id"] for entry in page["items"]}


def test_refused_keys_are_audited_without_what_was_given(
    client: TestClient, application: FastAPI
) -> None:
    caller, secret = made()
    with writing() as session:
        session.execute(
            update(Key).where(Key.id == caller.key_id).values(revoked_at=datetime.now(UTC))
        )
    for wrong in ("lt_canary-a", "lt_canary-b", secret):
        assert with_key(application, wrong).get("/v1/models").status_code == 401
    logins.write()
    items = client.get("/v1/audit", params={"action": "key_refused"}).json()["items"]
    said = {(entry["key_id"], entry["resource"], entry["status"]) for entry in items}
    assert said == {
        (caller.key_id, "revoked from testclient", 401), (None, "unknown from testclient", 401)
    }  # fmt: skip
    assert len(items) == 2, "two unknown ones from one address are one row"
    assert "canary" not in str(items) and secret not in str(items)


def test_strangers_refused_are_the_operators_to_see(
    client_as: object, application: FastAPI
) -> None:
    admin, other = client_as("admin"), client_as("elsewhere")  # type: ignore[operator]
    with_key(application, "lt_wrong").get("/v1/models")
    logins.write()
    asked = {"action": "key_refused"}
    assert len(admin.get("/v1/audit", params=asked).json()["items"]) == 1
    assert other.get("/v1/audit", params=asked).json()["items"] == []


def test_the_same_refusal_is_audited_again_only_after_a_while(sqlite: Engine) -> None:
    now = [0.0]
    ours = Logins(lambda: now[0])
    for at in (0.0, 1.0, module.REFUSED_AGAIN_S - 1, module.REFUSED_AGAIN_S + 1):
        now[0] = at
        ours.refused(Refusal("unknown"), "1.2.3.4", "req_1")
        ours.write()
    assert len(audited("key_refused")) == 2


def test_a_flood_of_strangers_does_not_fill_the_audit(sqlite: Engine) -> None:
    ours = Logins()
    for number in range(5000):
        ours.refused(Refusal("unknown"), f"address-{number}", "req_1")
    ours.write()
    assert len(audited("key_refused")) == module.REFUSALS_MAX


def test_what_cannot_be_written_now_is_written_later(
    sqlite: Engine, setting: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, _ = made()
    ours = Logins()
    ours.used(caller, "req_1")
    ours.refused(Refusal("unknown"), "1.2.3.4", "req_2")
    kept = str(sqlite.url)
    setting("database_url", "postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=1")  # type: ignore[operator]
    ours.write()
    setting("database_url", kept)  # type: ignore[operator]
    ours.write()
    assert len(audited("key_first_used")) == len(audited("key_refused")) == 1
