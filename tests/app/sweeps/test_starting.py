"""A sweep is asked for: what is refused and where, what is normalised, what is stored."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from app.db.session import reading, writing
from app.db.tables import Event, Finish, LedgerRow, Run, Sweep
from tests.app import rows

Ask = Callable[..., Any]


@pytest.fixture
def ask(client: TestClient) -> Ask:
    """Asks for a sweep of a fresh data set with the `tiny` backbone, changed as given."""

    def post(headers: dict[str, str] | None = None, **changed: Any) -> Any:
        body = {"backbone": "tiny", **changed}
        body.setdefault("dataset_id", None)
        if body["dataset_id"] is None:
            body["dataset_id"] = rows.dataset()
        return client.post("/v1/sweeps", json=body, headers=headers or {})

    return post


def pointers(reply: Any) -> set[str]:
    return {error["pointer"] for error in reply.json()["errors"]}


def test_a_sweep_takes_every_depth_and_scratch(
    ask: Ask, client: TestClient, bells: list[tuple[str, str]]
) -> None:
    layers = len(tiny(client)["layers"])
    reply = ask()
    body = reply.json()
    assert reply.status_code == 202, body
    assert body["state"] == "queued" and body["policy"] == "exhaustive"
    assert body["arms"] == [*(f"depth:{k}" for k in range(1, layers + 1)), "scratch"]
    assert [run["arm"] for run in body["runs"]] == body["arms"]
    assert body["progress"] == {
        "runs_done": 0, "runs": layers + 1, "epochs_done": 0, "epochs": 10 * (layers + 1),
        "eta_s": None,
    }  # fmt: skip
    assert body["recipe"]["epochs"] == 10 and body["recipe"]["preset"] == "modern"
    assert bells == [("tune", body["id"])]
    assert reply.headers["Location"] == f"/v1/sweeps/{body['id']}"
    assert client.get(reply.headers["Location"]).json() == body
    with reading() as session:
        assert session.get_one(Finish, body["id"]).state == "waiting"
        states = session.scalars(select(Run.state).where(Run.sweep_id == body["id"])).all()
        assert set(states) == {"queued"}
        event = session.scalars(select(Event).where(Event.sweep_id == body["id"])).one()
        assert (event.kind, event.data) == ("sweep", {"state": "queued"})


def tiny(client: TestClient) -> dict[str, Any]:
    listed = client.get("/v1/backbones").json()
    items = listed["items"] if isinstance(listed, dict) else listed
    return next(item for item in items if item["name"] == "tiny")


def test_arms_are_normalised_and_named(ask: Ask, client: TestClient) -> None:
    layers = len(tiny(client)["layers"])
    arms = ["scratch", "depth:99", "depth:1", f"depth:{layers}", "depth:1"]
    assert ask(arms=arms).json()["arms"] == ["depth:1", f"depth:{layers}", "scratch"]


def test_the_plan_has_a_rate_for_each_layer(ask: Ask, client: TestClient) -> None:
    made = ask(arms=["depth:2"], recipe={"learning_rate": 0.001, "head_learning_rate": 0.02})
    run = client.get(f"/v1/runs/{made.json()['runs'][0]['id']}").json()
    rates = [layer["learning_rate"] for layer in run["plan"]]
    assert [layer["layer"] for layer in run["plan"]] == [
        layer["name"] for layer in tiny(client)["layers"]
    ]
    assert rates[-2:] == [0.001, 0.02] and set(rates[:-2]) == {0.0}


def test_null_is_a_field_left_empty(ask: Ask) -> None:
    body = ask(arms=None, policy=None, recipe=None, init=None, budget_minutes=None).json()
    assert body["policy"] == "exhaustive" and body["init"] == "imagenet"
    assert body["arms"][-1] == "scratch"


def test_seeds_and_fractions_multiply_the_runs(ask: Ask) -> None:
    body = ask(arms=["depth:1", "depth:2"], seeds=[3, 1, 3], fractions=[0.25, 0.5]).json()
    assert body["seeds"] == [3, 1] and body["fractions"] == [1.0, 0.5, 0.25]
    found = {(run["arm"], run["seed"], run["fraction"]) for run in body["runs"]}
    assert len(body["runs"]) == len(found) == 2 * 2 * 3


def test_a_preset_fills_in_what_a_recipe_leaves_out(ask: Ask) -> None:
    recipe = ask(recipe={"preset": "paper", "epochs": 3}).json()["recipe"]
    assert (recipe["epochs"], recipe["optimiser"], recipe["decay"]) == (3, "sgd", 0.95)
    assert recipe["variants"] == 3 and recipe["bias_rate"] == 2.0


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"backbone": "alexnet2000"}, {"#/backbone"}),
        ({"policy": "lucky"}, {"#/policy"}),
        ({"arms": ["depth:0"]}, {"#/arms/0"}),
        ({"arms": ["depth:1", "width:2", "depth:x"]}, {"#/arms/1", "#/arms/2"}),
        ({"arms": ["all", "width:2"]}, {"#/arms/1"}),
        ({"arms": ["depth:" + "9" * 40]}, {"#/arms/0"}),
        ({"arms": []}, {"#/arms"}),
        ({"arms": 3}, {"#/arms"}),
        ({"init": "mdl_nowhere"}, {"#/init"}),
        ({"seeds": [-1]}, {"#/seeds/0"}),
        ({"seeds": []}, {"#/seeds"}),
        ({"fractions": [0.0]}, {"#/fractions/0"}),
        ({"fractions": [1.5]}, {"#/fractions/0"}),
        ({"budget_minutes": 0}, {"#/budget_minutes"}),
        ({"recipe": {"epochs": 0}}, {"#/recipe/epochs"}),
        ({"recipe": {"epochs": 100_000}}, {"#/recipe/epochs"}),
        ({"recipe": {"batch_size": 1}}, {"#/recipe/batch_size"}),
        ({"recipe": {"learning_rate": -1}}, {"#/recipe/learning_rate"}),
        ({"recipe": {"preset": "secret"}}, {"#/recipe/preset"}),
        ({"recipe": {"preset": "patches"}}, {"#/recipe/preset"}),
        ({"recipe": {"momentum_of_inertia": 1}}, {"#/recipe/momentum_of_inertia"}),
        ({"colour": "red"}, {"#/colour"}),
        ({"seeds": list(range(20)), "fractions": [k / 20 for k in range(1, 21)]}, {"#/arms"}),
        (
            {"policy": "lucky", "arms": ["x"], "init": "mdl_nowhere"},
            {"#/policy", "#/arms/0", "#/init"},
        ),
    ],
)
def test_every_wrong_field_is_pointed_at(
    ask: Ask, changed: dict[str, Any], where: set[str]
) -> None:
    reply = ask(**changed)
    assert reply.status_code == 422, reply.text
    assert pointers(reply) == where
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Sweep)) == 0


def test_depths_need_weights_and_scratch_does_not(ask: Ask) -> None:
    reply = ask(backbone="resnet50")
    assert (reply.status_code, reply.json()["code"]) == (422, "weights_unavailable")
    assert pointers(reply) == {"#/backbone"}
    assert "resnet50" in reply.json()["detail"]
    assert ask(backbone="resnet50", arms="scratch").json()["arms"] == ["scratch"]


def test_a_data_set_must_be_ready(ask: Ask) -> None:
    checking = ask(dataset_id=rows.dataset(state="checking"))
    assert (checking.status_code, checking.json()["code"]) == (409, "dataset_not_ready")
    assert checking.json()["retryable"] is True
    rejected = ask(dataset_id=rows.dataset(state="rejected"))
    assert rejected.status_code == 409 and rejected.json()["retryable"] is False


def test_a_data_set_must_be_there(ask: Ask) -> None:
    for unseen in ("ds_nowhere", rows.dataset(workspace="other")):
        reply = ask(dataset_id=unseen)
        assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
        assert pointers(reply) == {"#/dataset_id"}


def test_below_the_floor_nothing_starts_and_it_says_why(ask: Ask) -> None:
    made = rows.dataset()
    with writing() as session:
        for row in session.scalars(
            select(LedgerRow).where(LedgerRow.dataset_id == made, LedgerRow.label == "malignant")
        ):
            if row.position >= 44:
                session.delete(row)
    reply = ask(dataset_id=made)
    assert (reply.status_code, reply.json()["code"]) == (422, "below_floor")
    assert "malignant 4" in reply.json()["detail"]
    assert pointers(reply) == {"#/dataset_id"}


def test_a_dry_run_says_what_it_would_take_and_stores_nothing(
    ask: Ask, bells: list[tuple[str, str]]
) -> None:
    reply = ask(dry_run=True, arms=["depth:1", "depth:2"], seeds=[0, 1], recipe={"epochs": 5})
    body = reply.json()
    assert reply.status_code == 200
    assert (body["runs"], body["epochs"], body["arms"]) == (4, 20, ["depth:1", "depth:2"])
    assert body["dry_run"] is True and body["estimated_seconds"] > 0
    assert bells == []
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Sweep)) == 0


def test_another_way_of_a_task_is_another_network_and_costs_what_its_patches_cost(
    ask: Ask,
) -> None:
    walls = {"lumen": 60, "intima_media": 60, "adventitia": 60}
    made = rows.dataset(task="intima_media", classes=walls, positive=None, layout="cubs")
    images = ask(dry_run=True, arms=["depth:1"]).json()  # of as many cases, a patch each
    recipe = {"preset": "patches"}
    patches = ask(dataset_id=made, dry_run=True, arms=["depth:1"], recipe=recipe).json()
    assert patches["estimated_seconds"] > 40 * images["estimated_seconds"]
    started = ask(dataset_id=made, arms=["depth:1"], recipe=recipe).json()
    assert started["task"] == "intima_media" and started["recipe"]["preset"] == "patches"
    assert started["recipe"]["batch_size"] == 32  # a class network's


def test_a_dry_run_learns_from_runs_of_the_past(ask: Ask) -> None:
    made = rows.dataset()
    before = ask(dataset_id=made, dry_run=True, arms=["depth:1"]).json()["estimated_seconds"]
    rows.sweep(dataset_id=made, states=("succeeded",), finish="succeeded")  # 20 s for this very arm
    after = ask(dataset_id=made, dry_run=True, arms=["depth:1"]).json()["estimated_seconds"]
    assert after == pytest.approx(20.0) and after != before


def test_a_model_can_be_continued_from(ask: Ask) -> None:
    fit = rows.model()
    assert ask(init=fit).json()["init"] == fit
    for unfit in (
        rows.model(backbone="resnet18"),
        rows.model(task="segmentation"),
        rows.model(classes=["cat", "dog"]),
        rows.model(without=("weights.safetensors",)),
        rows.model(workspace="other"),
    ):
        reply = ask(init=unfit)
        assert reply.status_code == 422 and pointers(reply) == {"#/init"}


def test_a_model_brings_its_backbone_unless_another_is_asked_for(
    client: TestClient,
) -> None:
    body = {"dataset_id": rows.dataset(), "init": rows.model(backbone="resnet18"), "dry_run": True}
    assert client.post("/v1/sweeps", json=body).json()["backbone"] == "resnet18"
    refused = client.post("/v1/sweeps", json=body | {"backbone": "tiny"})
    assert refused.json()["errors"][0]["detail"].endswith("has the backbone resnet18, not tiny")


def test_the_same_key_starts_one_sweep(ask: Ask) -> None:
    made, key = rows.dataset(), {"Idempotency-Key": "k"}
    first, second = ask(headers=key, dataset_id=made), ask(headers=key, dataset_id=made)
    assert second.json() == first.json() and second.status_code == 202
    other = ask(headers=key, dataset_id=made, name="another")
    assert other.status_code == 422 and other.json()["code"] == "idempotency_key_reused"
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Sweep)) == 1


def test_only_researchers_start_sweeps(client_as: Callable[..., TestClient]) -> None:
    made = rows.dataset()
    body = {"dataset_id": made, "backbone": "tiny"}
    assert client_as("clinician").post("/v1/sweeps", json=body).status_code == 403
    assert client_as("researcher").post("/v1/sweeps", json=body).status_code == 202
    assert client_as("elsewhere").post("/v1/sweeps", json=body).status_code == 404
