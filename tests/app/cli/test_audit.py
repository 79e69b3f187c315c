"""`layertune audit verify` says that the record stands, or where it does not, by its exit code."""

from pathlib import Path

from sqlalchemy import delete, update
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.cli.client import Api
from app.cli.main import app
from app.db.session import writing
from app.db.tables import Audit


def run(client: TestClient, *arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["audit", "verify", *arguments], obj=Api(client))
    return found.exit_code, found.output


def test_an_intact_audit_is_said_with_its_head(client: TestClient) -> None:
    client.post("/v1/keys", json={"name": "x", "role": "viewer"})
    head = client.get("/v1/audit").json()["items"][0]["hash"]
    code, said = run(client)
    assert code == 0 and "intact: 1 rows" in said and head in said
    assert run(client, "--head", head)[0] == 0


def test_a_broken_and_a_shortened_audit_end_with_1(client: TestClient) -> None:
    for _ in range(3):
        client.post("/v1/keys", json={"name": "x", "role": "viewer"})
    head = client.get("/v1/audit/verification").json()["head"]
    with writing() as session:
        session.execute(delete(Audit).where(Audit.id == 3))
    assert run(client)[0] == 0, "the rows that are left follow one another"
    code, said = run(client, "--head", head)
    assert code == 1 and "cut off" in said.replace("\n", " ")
    with writing() as session:
        session.execute(update(Audit).where(Audit.id == 1).values(status=200))
    code, said = run(client)
    assert code == 1 and "broken at row 1" in said.replace("\n", " ")


def test_a_key_is_rotated_from_the_command_line(client: TestClient, tmp_path: Path) -> None:
    made = client.post("/v1/keys", json={"name": "x", "role": "viewer"}).json()
    arguments = ["keys", "rotate", made["id"], "--grace", "0"]
    found = CliRunner().invoke(app, arguments, obj=Api(client))
    assert found.exit_code == 0
    secret = found.output.strip().splitlines()[-1]
    assert secret.startswith("lt_") and secret != made["key"]
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get("/v1/models", headers=headers).status_code == 200
    listed = CliRunner().invoke(app, ["keys", "list"], obj=Api(client), env={"COLUMNS": "200"})
    assert listed.exit_code == 0 and "last used" in listed.output
