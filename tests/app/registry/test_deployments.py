"""Deployments: who answers, with which point, and back again."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db.session import reading
from app.errors import NotFound, Unprocessable
from app.registry import deployments
from models.discovery import tasks
from models.findings import OperatingPoint
from tests.app import rows


def put(client: TestClient, model_id: str, name: str = "classification", **body: Any) -> Any:
    return client.put(f"/v1/deployments/{name}", json={"model_id": model_id, **body})


def test_the_default_point_is_the_cards(client: TestClient) -> None:
    made = rows.model()
    reply = put(client, made)
    body = reply.json()
    assert (reply.status_code, body["version"], body["model_id"]) == (200, 1, made)
    assert (body["name"], body["task"]) == ("classification", "classification")
    assert (body["operating_point"]["name"], body["operating_point"]["threshold"]) == (
        "youden",
        0.6,
    )


def test_a_point_may_be_named_or_given(client: TestClient) -> None:
    made = rows.model()
    named = put(client, made, operating_point="fpr=0.10").json()["operating_point"]
    assert (named["threshold"], named["sensitivity"]) == (0.4, 0.9)
    for given in (0.3, "0.3"):
        point = put(client, made, operating_point=given).json()["operating_point"]
        assert (point["name"], point["threshold"]) == ("threshold", 0.3)


def test_all_is_a_point_that_is_kept_and_answers(client: TestClient) -> None:
    made = rows.model()
    kept = put(client, made, operating_point="all").json()["operating_point"]
    assert (kept["name"], kept["threshold"]) == ("all", None)
    assert resolve() == (made, OperatingPoint("all", None))


@pytest.mark.parametrize("point", ["fpr=0.5", 1.5, "fpr=0.001", -0.1])
def test_a_point_that_is_none_is_refused(client: TestClient, point: str | float) -> None:
    reply = put(client, rows.model(), operating_point=point)
    assert (reply.status_code, reply.json()["code"]) == (422, "unknown_operating_point")
    assert reply.json()["errors"][0]["pointer"] == "#/operating_point"


def test_a_model_of_several_classes_needs_no_point(client: TestClient) -> None:
    made = rows.model(classes=["a", "b", "c"], positive=None, operating_points=[])
    assert put(client, made).json()["operating_point"] is None


def test_history_is_kept_and_the_old_one_can_be_put_back(client: TestClient) -> None:
    one, two = rows.model(), rows.model()
    assert [put(client, made).json()["version"] for made in (one, two, one)] == [1, 2, 3]
    body = client.get("/v1/deployments/classification").json()
    assert [entry["model_id"] for entry in body["history"]] == [one, two, one]
    assert [entry["version"] for entry in body["history"]] == [3, 2, 1]
    listed = client.get("/v1/deployments").json()["items"]
    assert listed == [body]


def test_putting_the_same_again_changes_nothing(client: TestClient) -> None:
    made = rows.model()
    assert put(client, made).json() == put(client, made).json()


def test_every_name_has_its_newest_version_in_the_list(client: TestClient) -> None:
    one, two = rows.model(), rows.model()
    put(client, one, "ward-b")
    put(client, two, "ward-a")
    put(client, two, "ward-b")
    first = client.get("/v1/deployments", params={"limit": 1}).json()
    rest = client.get("/v1/deployments", params={"cursor": first["next_cursor"]}).json()
    found = [(item["name"], item["version"]) for item in first["items"] + rest["items"]]
    assert found == [("ward-a", 1), ("ward-b", 2)]


def volumes(edition: str) -> str:
    task = tasks()["pulmonary_embolism"]
    named = {"task": task.name, "classes": list(task.classes), "positive": task.positive}
    return rows.model(**named, edition=edition, operating_points=[])


def test_a_model_of_the_tasks_own_edition_is_deployed(client: TestClient) -> None:
    made = volumes(tasks()["pulmonary_embolism"].edition)
    assert put(client, made, "pulmonary_embolism").status_code in (200, 201)


def test_what_cannot_be_deployed(client: TestClient) -> None:
    other_task = put(client, rows.model(), "frame_quality")
    assert (other_task.status_code, other_task.json()["code"]) == (422, "task_mismatch")
    blind = put(client, rows.model(without=("model.onnx",)))
    assert (blind.status_code, blind.json()["code"]) == (422, "model_not_servable")
    pixelwise = put(client, rows.model(recipe={"preset": "patches"}))
    assert (pixelwise.status_code, pixelwise.json()["code"]) == (422, "model_not_servable")
    old = put(client, volumes("of another forest"), "pulmonary_embolism")
    assert (old.status_code, old.json()["code"]) == (422, "model_not_servable")
    assert "sweep again" in old.json()["detail"]
    assert put(client, "mdl_nowhere").status_code == 404
    assert put(client, rows.model(), "Not A Name").status_code == 422
    assert client.get("/v1/deployments/nothing").status_code == 404
    assert client.get("/v1/deployments").json()["items"] == []


def test_only_admins_deploy(client_as: Callable[..., TestClient]) -> None:
    made = rows.model()
    for role in ("viewer", "clinician", "researcher"):
        assert put(client_as(role), made).status_code == 403
    assert put(client_as("admin"), made).status_code == 200
    assert client_as("viewer").get("/v1/deployments/classification").status_code == 200
    assert client_as("elsewhere").get("/v1/deployments/classification").status_code == 404
    assert client_as("elsewhere").get("/v1/deployments").json()["items"] == []


# ---- who answers ----------------------------------------------------------------------------


@pytest.mark.usefixtures("client")
def test_a_model_that_is_only_measured_answers_nobody() -> None:
    with pytest.raises(Unprocessable, match="not served"):
        resolve(model_id=rows.model(recipe={"preset": "patches"}))


def resolve(deployment: str | None = None, model_id: str | None = None, **asked: str) -> Any:
    with reading() as session:
        model, point = deployments.resolve(
            session, asked.get("workspace", "default"), asked.get("task", "classification"),
            deployment, model_id,
        )  # fmt: skip
        return model.id, point


def test_predictions_find_their_model(client: TestClient) -> None:
    one, two = rows.model(), rows.model()
    put(client, one, operating_point="fpr=0.10")
    put(client, two, "ward-b", operating_point=0.25)
    found, point = resolve()
    assert found == one and isinstance(point, OperatingPoint) and point.threshold == 0.4
    assert resolve(deployment="ward-b") == (two, OperatingPoint("threshold", 0.25))
    assert resolve(model_id=two)[1].name == "youden"
    put(client, two)
    assert resolve()[0] == two


def test_predictions_are_told_what_is_missing(client: TestClient) -> None:
    with pytest.raises(NotFound, match="PUT /v1/deployments/classification") as nothing:
        resolve()
    assert nothing.value.code == "nothing_deployed"
    made = rows.model()
    put(client, made, "ward-b")
    with pytest.raises(Unprocessable) as wrong:
        resolve(deployment="ward-b", task="frame_quality")
    assert wrong.value.code == "task_mismatch"
    with pytest.raises(NotFound):
        resolve(model_id=made, workspace="other")
    with pytest.raises(NotFound):
        resolve(deployment="ward-b", workspace="other")


def test_a_change_is_counted_once_it_is_committed(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, before = rows.model(), deployments.changed_at["default"]
    put(client, made)
    assert deployments.changed_at["default"] == before + 1
    put(client, made)
    put(client, "mdl_nowhere")
    assert deployments.changed_at["default"] == before + 1
