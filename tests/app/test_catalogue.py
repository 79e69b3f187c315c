"""Tasks and backbones as the contract has them, taken from the science's files."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from models import discovery
from models.backbone import Backbone


def test_every_task_is_listed_with_its_layouts(client: TestClient) -> None:
    body = client.get("/v1/tasks").json()
    assert body["next_cursor"] is None
    found = {task["name"]: task for task in body["items"]}
    assert set(found) == set(discovery.tasks())
    quality = found["frame_quality"]
    assert quality["classes"] == ["informative", "non_informative"]
    assert (quality["positive"], quality["headline"]) == ("informative", "auc")
    assert quality["operating_points"] == ["fpr=0.10", "fpr=0.15", "fpr=0.20"]
    assert quality["layouts"]
    for layout in quality["layouts"]:
        assert layout["example"].strip()


def test_the_examples_of_layouts_are_those_of_the_layouts_themselves(client: TestClient) -> None:
    known = discovery.layouts()
    for task in client.get("/v1/tasks").json()["items"]:
        shown = {layout["name"]: layout["example"] for layout in task["layouts"]}
        accepted = discovery.tasks()[task["name"]].layouts
        assert shown == {name: known[name].example for name in accepted}


def test_a_task_that_answers_with_a_map_says_so(client: TestClient) -> None:
    found = {task["name"]: task for task in client.get("/v1/tasks").json()["items"]}
    polyp, segmentation = found["polyp"], found["segmentation"]
    assert (polyp["output"], polyp["classes"], polyp["headline"]) == ("map", ["polyp"], "froc")
    assert "fp_per_image=0.1" in polyp["operating_points"]
    assert (segmentation["output"], segmentation["classes"]) == ("map", [])
    assert (segmentation["headline"], segmentation["operating_points"]) == ("dice", [])


def test_one_task_is_the_same_as_in_the_list(client: TestClient) -> None:
    listed = client.get("/v1/tasks").json()["items"]
    for task in listed:
        assert client.get(f"/v1/tasks/{task['name']}").json() == task


def test_an_unknown_task_is_404(client: TestClient) -> None:
    response = client.get("/v1/tasks/astrology")
    assert response.status_code == 404
    assert response.json()["detail"] == "no task 'astrology': GET /v1/tasks names them all"


def test_backbones_tell_their_layers_depths_and_weights(client: TestClient) -> None:
    found = {item["name"]: item for item in client.get("/v1/backbones").json()["items"]}
    assert set(found) == set(discovery.backbones())
    lite = found["efficientnet_lite0"]
    assert (lite["input_size"], lite["depths"]["classes"]) == (224, 10)
    assert len(lite["layers"]) == 10
    assert lite["parameters"] == sum(layer["parameters"] for layer in lite["layers"])
    assert lite["weights"]["available"] is True  # its package is installed with us
    assert lite["missing"] is None
    assert found["tiny"]["weights"]["available"] is True


def test_a_backbone_names_the_layers_of_its_map_network(client: TestClient) -> None:
    found = {item["name"]: item for item in client.get("/v1/backbones").json()["items"]}
    assert found["efficientnet_lite0"]["map_layers"] == [
        "stem", *(f"block{k}" for k in range(7)), "decoder",
    ]  # fmt: skip
    assert found["alexnet"]["map_layers"][-2:] == ["conv5", "decoder"]
    for item in found.values():
        assert len(item["map_layers"]) == item["depths"].get("map", 0)


def test_weights_that_are_not_here_say_how_to_get_them(
    client: TestClient, setting: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting("weights", tmp_path)  # type: ignore[operator]
    resnet: Backbone = discovery.backbones()["resnet18"]
    assert resnet.weights is not None

    def item() -> dict[str, object]:
        items = client.get("/v1/backbones").json()["items"]
        return next(found for found in items if found["name"] == "resnet18")

    assert item()["weights"]["available"] is False  # type: ignore[index]
    assert resnet.weights.file in str(item()["missing"])
    (tmp_path / resnet.weights.file).write_bytes(b"")
    assert item()["weights"]["available"] is True  # type: ignore[index]
    assert item()["missing"] is None


def test_an_unchanged_resource_is_304_without_a_body(client: TestClient) -> None:
    first = client.get("/v1/tasks/classification")
    etag = first.headers["etag"]
    for header in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get("/v1/tasks/classification", headers={"If-None-Match": header})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    changed = client.get("/v1/tasks/classification", headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200
