"""An admin reads who did what in the workspace; nobody else does."""

from collections.abc import Callable

from sqlalchemy import update
from starlette.testclient import TestClient

from app.db.session import writing
from app.db.tables import Audit
from tests.app import rows

Client = Callable[..., TestClient]


def test_an_admin_sees_who_did_what(client: TestClient) -> None:
    made = rows.model()
    client.put("/v1/deployments/classification", json={"model_id": made})
    key = client.post("/v1/keys", json={"name": "x", "role": "viewer"}).json()
    first, second = client.get("/v1/audit").json()["items"]
    assert (first["action"], first["resource"], first["status"]) == ("create_key", key["id"], 201)
    assert (second["action"], second["resource"]) == ("put_deployment", "classification")
    assert first["key_id"] == second["key_id"] == key["created_by"]
    assert first["id"] > second["id"] and first["request_id"].startswith("req_")


def test_the_audit_is_paged_and_asked_by_what_was_done(client: TestClient) -> None:
    made = [client.post("/v1/keys", json={"name": "x", "role": "viewer"}).json() for _ in range(3)]
    page = client.get("/v1/audit", params={"limit": 2}).json()
    rest = client.get("/v1/audit", params={"cursor": page["next_cursor"]}).json()
    found = [entry["resource"] for entry in page["items"] + rest["items"]]
    assert found == [key["id"] for key in reversed(made)] and rest["next_cursor"] is None
    one = client.get("/v1/audit", params={"resource": made[1]["id"]}).json()["items"]
    assert [entry["resource"] for entry in one] == [made[1]["id"]]
    assert client.get("/v1/audit", params={"action": "create_sweep"}).json()["items"] == []


def test_the_audit_is_the_admins_and_the_workspaces(client_as: Client) -> None:
    client_as("admin").post("/v1/keys", json={"name": "x", "role": "viewer"})
    for role in ("viewer", "clinician", "researcher"):
        assert client_as(role).get("/v1/audit").status_code == 403
    assert client_as("elsewhere").get("/v1/audit").json()["items"] == []


def test_what_changed_nothing_is_not_audited(client: TestClient) -> None:
    asked = {"dataset_id": rows.dataset(), "backbone": "tiny"}
    assert client.post("/v1/sweeps", json={**asked, "dry_run": True}).status_code == 200
    key = {"Idempotency-Key": "k"}
    replies = [client.post("/v1/sweeps", json=asked, headers=key) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [202, 202]
    (only,) = client.get("/v1/audit").json()["items"]
    assert (only["action"], only["resource"]) == ("create_sweep", replies[0].json()["id"])


def test_the_operator_verifies_the_chain_and_others_may_not(client_as: Client) -> None:
    operator = client_as("admin")
    for _ in range(3):
        operator.post("/v1/keys", json={"name": "x", "role": "viewer"})
    found = operator.get("/v1/audit/verification").json()
    assert (found["intact"], found["rows"], found["first_broken"]) == (True, 3, None)
    newest = operator.get("/v1/audit").json()["items"][0]
    assert found["head"] == newest["hash"]
    assert client_as("elsewhere").get("/v1/audit/verification").status_code == 403
    assert client_as("researcher").get("/v1/audit/verification").status_code == 403


def test_a_row_that_was_changed_is_named(client: TestClient) -> None:
    for _ in range(3):
        client.post("/v1/keys", json={"name": "x", "role": "viewer"})
    noted = client.get("/v1/audit/verification").json()["head"]
    with writing() as session:
        session.execute(update(Audit).where(Audit.id == 2).values(resource="key_other"))
    found = client.get("/v1/audit/verification").json()
    assert (found["intact"], found["rows"], found["first_broken"]) == (False, 1, 2)
    asked = client.get("/v1/audit/verification", params={"head": noted}).json()
    assert (asked["intact"], asked["found"]) == (False, False)
    bad = client.get("/v1/audit/verification", params={"head": "x"})
    assert bad.status_code == 422
