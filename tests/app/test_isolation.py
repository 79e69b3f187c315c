"""What lies in another workspace is as if it were not there: on every route there is.

Every operation of the OpenAPI document has its case. One with an id in its path gets it by itself;
any other has to be named below, and the first test fails for one that is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app import ids
from app.auth import ROLES, mint
from app.db.session import writing
from app.db.tables import Deployment, Prediction
from app.main import create_app
from app.predictions.journal import journal
from models import discovery
from tests.app import rows

DOCUMENT = create_app().openapi()["paths"]
OPERATIONS: dict[str, tuple[str, str]] = {  # operationId -> method, path
    operation["operationId"]: (method.upper(), path)
    for path, operations in DOCUMENT.items()
    for method, operation in operations.items()
}
PREDICT = {f"predict_{name}": name for name in discovery.tasks()}
# What is the same for everybody, and why that is no leak.
SHARED = {
    "list_tasks": "the service's own catalogue",
    "get_task": "the service's own catalogue",
    "list_backbones": "the service's own catalogue",
    "get_live": "whether the process lives",
    "get_ready": "whether the service can work",
    "get_version": "which code runs",
    "get_metrics": "counts by route, none by workspace",
}
LISTS = ("list_datasets", "list_sweeps", "list_models", "list_deployments", "list_keys",
         "list_audit")  # fmt: skip
# What names something in its body: the name of the field, and the rest of the body.
REFERS: dict[str, tuple[str, dict[str, Any]]] = {
    "create_sweep": ("dataset_id", {"backbone": "tiny", "arms": ["scratch"]}),
    "create_model": ("run_id", {}),
    "put_deployment": ("model_id", {}),
}
ALONE = {*PREDICT, "create_dataset", "create_key", "verify_audit"}  # each has a test of its own
IN_PATH = {"dataset_id", "case_id", "sweep_id", "run_id", "model_id", "prediction_id", "key_id",
           "subject"}  # fmt: skip
BODIES: dict[str, dict[str, Any]] = {"rotate_key": {}}


@dataclass(frozen=True)
class World:
    """One of everything in the workspace `default`, an admin there and one elsewhere."""

    ids: dict[str, str]
    owner: TestClient
    elsewhere: TestClient


def parameters(path: str) -> set[str]:
    return {part[1:-1].removesuffix(":path") for part in path.split("/") if part.startswith("{")}


BY_PATH = sorted(
    name for name, (_, path) in OPERATIONS.items()
    if parameters(path) & IN_PATH or name == "get_deployment"
)  # fmt: skip


def test_every_operation_has_a_case_and_every_case_an_operation() -> None:
    named = {*BY_PATH, *SHARED, *LISTS, *REFERS, *ALONE}
    assert set(OPERATIONS) - named == set(), "say how these routes keep workspaces apart"
    assert named - set(OPERATIONS) == set(), "these routes are no more"


@pytest.fixture
def world(sqlite: Engine, application: FastAPI) -> Iterator[World]:
    with writing() as session:
        _, own = mint(session, "own", "admin", "default")
        _, other = mint(session, "other", "admin", "other")
        key, _ = mint(session, "guest", "viewer", "default")
    dataset = rows.dataset(pack=None)
    sweep, (run, *_) = rows.sweep(dataset_id=dataset)
    made = {
        "dataset_id": dataset, "sweep_id": sweep, "run_id": run, "key_id": key.id,
        "model_id": rows.model(run_id=run, sweep_id=sweep), "prediction_id": ids.new("prd"),
        "case_id": "case_000001", "subject": "subject-0",
    }  # fmt: skip
    owned = {"workspace": "default", "created_by": key.id}
    with writing() as session:
        session.add(
            Prediction(id=made["prediction_id"], **owned, state="succeeded", long=True,
                       task="polyp", model_id=made["model_id"], reply=None, outputs={})
        )  # fmt: skip
        session.add(
            Deployment(name="deployed", version=1, task="classification", **owned,
                       model_id=made["model_id"])
        )  # fmt: skip
    with serving(application, own) as owner, serving(application, other) as elsewhere:
        owner.post("/v1/keys", json={"name": "seen in the audit", "role": "viewer"})
        yield World(made, owner, elsewhere)
    journal.close()


def serving(application: FastAPI, secret: str) -> TestClient:
    headers = {"Authorization": f"Bearer {secret}"}
    return TestClient(application, headers=headers, raise_server_exceptions=False)


def filled(path: str, known: dict[str, str]) -> str:
    for name in parameters(path):
        last = "deployed" if path.startswith("/v1/deployments/") else "card.json"
        value = known.get(name, last)
        path = path.replace(f"{{{name}}}", value).replace(f"{{{name}:path}}", value)
    return path


def nowhere(known: dict[str, str]) -> dict[str, str]:
    """The same kinds of ids, of things that nobody has."""
    return {name: ids.new(value.partition("_")[0]) for name, value in known.items()}


def said(reply: httpx.Response, *words: str) -> tuple[int, str, str]:
    """Status, code and sentence of a refusal, without the ids that it repeats."""
    body = reply.json()
    detail = f"{body['detail']} {body['errors']}"
    for word in words:
        detail = detail.replace(word, "…")
    return reply.status_code, body["code"], detail


@pytest.mark.parametrize("name", BY_PATH)
def test_an_id_of_another_workspace_is_as_unknown_as_one_that_is_nowhere(
    world: World, name: str
) -> None:
    method, path = OPERATIONS[name]
    body = BODIES.get(name)
    at, void = filled(path, world.ids), filled(path, nowhere(world.ids))
    foreign = world.elsewhere.request(method, at, json=body)
    made_up = world.elsewhere.request(method, void, json=body)
    assert foreign.status_code == 404, foreign.text
    if name != "get_deployment":  # whose names are chosen freely in each workspace
        words = (*world.ids.values(), *void.split("/")[3:])
        assert said(foreign, *words) == said(made_up, *words)
    own = world.owner.request(method, at, json=body)
    unknown = own.status_code == 404 and own.json()["code"] == foreign.json()["code"]
    assert not unknown and own.status_code < 500, f"the owner must see it: {own.text}"


@pytest.mark.parametrize("name", LISTS)
def test_a_list_shows_its_own_workspace_only(world: World, name: str) -> None:
    path = OPERATIONS[name][1]
    own, foreign = world.owner.get(path), world.elsewhere.get(path)
    assert own.status_code == foreign.status_code == 200
    assert len(own.json()["items"]) >= 1
    mine = [item for item in foreign.json()["items"] if item.get("workspace") != "other"]
    assert mine == []
    assert not any(known in foreign.text for known in world.ids.values() if "_0" in known)


@pytest.mark.parametrize("name", REFERS)
def test_what_is_named_in_a_body_is_looked_for_in_the_own_workspace(
    world: World, name: str
) -> None:
    field, rest = REFERS[name]
    method, path = OPERATIONS[name]
    path = filled(path, {})
    replies = [
        client.request(method, path, json={field: known[field], **rest})
        for client, known in (
            (world.elsewhere, world.ids), (world.elsewhere, nowhere(world.ids)),
            (world.owner, world.ids),
        )
    ]  # fmt: skip
    foreign, made_up, own = replies
    words = [known for reply in replies for known in named_in(reply)]
    assert foreign.status_code in (404, 422)
    assert said(foreign, *words) == said(made_up, *words)
    assert own.status_code < 500
    assert own.is_success or said(own, *words) != said(foreign, *words), own.text


def named_in(reply: httpx.Response) -> list[str]:
    return [word.strip("'\":,") for word in reply.text.split() if "_0" in word]


def test_a_sweep_continues_no_model_of_another_workspace(world: World) -> None:
    body = {"dataset_id": rows.dataset("other"), "backbone": "tiny"}
    theirs = {**body, "init": world.ids["model_id"], "dry_run": True}
    reply = world.elsewhere.post("/v1/sweeps", json=theirs)
    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == ["#/init"]


@pytest.mark.parametrize("name", PREDICT)
def test_no_model_of_another_workspace_answers(world: World, name: str) -> None:
    task = PREDICT[name]
    model = rows.model(task=task)
    for fields in ({"model_id": model}, {"deployment": "deployed"}):
        files = {"file": ("x.png", b"\x89PNG", "image/png")}
        path = OPERATIONS[name][1]
        foreign = world.elsewhere.post(path, data=fields, files=files)
        assert foreign.status_code == 404, foreign.text
    own = world.owner.post(OPERATIONS[name][1], data={"model_id": model}, files=files)
    assert own.status_code != 404, own.text


def test_an_upload_belongs_to_the_workspace_of_its_key(world: World) -> None:
    form = {"task": "classification", "name": "x"}
    files = {"archive": ("a.zip", b"PK\x05\x06" + bytes(18), "application/zip")}
    made = world.elsewhere.post("/v1/datasets", data=form, files=files).json()
    assert world.elsewhere.get(f"/v1/datasets/{made['id']}").status_code == 200
    assert world.owner.get(f"/v1/datasets/{made['id']}").status_code == 404


def test_keys_for_another_workspace_are_the_operators_to_make(world: World) -> None:
    wanted = {"name": "x", "role": "viewer", "workspace": "default"}
    assert world.elsewhere.post("/v1/keys", json=wanted).status_code == 403
    assert world.owner.post("/v1/keys", json={**wanted, "workspace": "ward"}).status_code == 201


def test_the_whole_audit_is_the_operators_to_verify(world: World) -> None:
    assert world.elsewhere.get("/v1/audit/verification").status_code == 403


@pytest.mark.parametrize("name", SHARED)
def test_what_is_shared_names_nothing_of_any_workspace(world: World, name: str) -> None:
    path = OPERATIONS[name][1].replace("{task}", "polyp")
    reply = world.elsewhere.get(path)
    assert reply.status_code in (200, 503)
    assert not any(known in reply.text for known in world.ids.values() if "_0" in known)


def test_a_reply_kept_for_repetition_is_given_to_its_workspace_only(world: World) -> None:
    once = {"Idempotency-Key": "k"}
    wanted = {"name": "x", "role": "viewer"}
    own = world.owner.post("/v1/keys", json=wanted, headers=once).json()
    other = world.elsewhere.post("/v1/keys", json=wanted, headers=once).json()
    assert own["id"] != other["id"] and other["workspace"] == "other" and other["key"]


# The least role that each changing or sensitive operation asks for; all else is a viewer's.
LEAST = {
    "clinician": {*PREDICT, "cancel_prediction"},
    "researcher": {"create_dataset", "delete_dataset", "erase_subject", "create_sweep",
                   "cancel_sweep", "pause_sweep", "resume_sweep", "create_model"},
    "admin": {"put_deployment", "create_key", "list_keys", "get_key", "rotate_key", "delete_key",
              "list_audit", "verify_audit"},
}  # fmt: skip
OPEN = {"get_live", "get_ready", "get_version"}


def test_each_operation_asks_for_its_role(sqlite: Engine, application: FastAPI) -> None:
    with writing() as session:
        secrets = {role: mint(session, role, role, "default")[1] for role in ROLES}
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    with TestClient(application, raise_server_exceptions=False) as client:
        for name in sorted(set(OPERATIONS) - OPEN):
            least = next((role for role, names in LEAST.items() if name in names), "viewer")
            method, path = OPERATIONS[name]
            at = filled(path, {"task": "polyp"})
            kind = form if name in PREDICT or name == "create_dataset" else {}
            for role, secret in secrets.items():
                headers = {"Authorization": f"Bearer {secret}", **kind}
                refused = client.request(method, at, headers=headers).status_code == 403
                assert refused == (ROLES.index(role) < ROLES.index(least)), f"{name} as {role}"
