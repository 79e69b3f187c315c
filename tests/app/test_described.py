"""The features describe themselves: bounds on numbers, stable names, problems with examples."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

FEATURES = ("/v1/datasets", "/v1/sweeps", "/v1/runs", "/v1/models", "/v1/deployments", "/v1/keys",
            "/v1/audit")  # fmt: skip
BOUNDS = {"minimum", "exclusiveMinimum", "const", "enum"}


@pytest.fixture(scope="module")
def described(application: FastAPI) -> dict[str, Any]:
    return application.openapi()


def operations(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in described["paths"].items():
        if path.startswith(FEATURES):
            yield from methods.values()


def unbounded(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") in ("integer", "number") and not BOUNDS & set(node):
            yield path
        for name, inner in node.items():
            if name not in ("example", "examples"):
                yield from unbounded(inner, f"{path}/{name}")
    elif isinstance(node, list):
        for k, inner in enumerate(node):
            yield from unbounded(inner, f"{path}/{k}")


def test_every_number_of_a_feature_has_a_bound(described: dict[str, Any]) -> None:
    ours = ("Sweep", "Run", "Recipe", "Estimate", "Dataset", "Model", "Deployment", "Key", "Epoch",
            "Ledger", "Counts", "Splits", "Progress", "Version", "LayerRate", "Task", "Backbone",
            "LayerBody", "ClassFinding", "Point", "Input", "Audit", "Envelope")  # fmt: skip
    schemas = described["components"]["schemas"]
    found = {name: schemas[name] for name in schemas if name.startswith(ours)}
    assert len(found) > 15
    assert list(unbounded(found)) + list(unbounded(list(operations(described)))) == []


def test_operations_have_stable_names_tags_and_a_sentence(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(described)]
    assert len(names) == len(set(names)) and {"create_sweep", "put_deployment"} < set(names)
    known = {tag["name"] for tag in described["tags"]}
    for operation in operations(described):
        assert set(operation["tags"]) <= known and operation["description"].strip()


def test_problems_are_shown_with_their_codes(described: dict[str, Any]) -> None:
    create = described["paths"]["/v1/sweeps"]["post"]["responses"]["422"]
    shown = create["content"]["application/problem+json"]["examples"]
    assert {"below_floor", "weights_unavailable"} <= set(shown)
    assert shown["below_floor"]["value"]["status"] == 422


def test_bodies_come_with_an_example_to_send(described: dict[str, Any]) -> None:
    for name in ("SweepRequest", "DeploymentRequest", "KeyRequest"):
        assert described["components"]["schemas"][name]["examples"]
    models = described["paths"]["/v1/models"]["post"]["requestBody"]["content"]
    assert set(models) == {"application/json", "multipart/form-data"}
    for path in ("/v1/datasets", "/v1/predictions/classification"):
        body = described["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]
        assert set(body["example"]) < set(body["schema"]["properties"])
    fields = described["paths"]["/v1/datasets"]["post"]["requestBody"]["content"]
    required = fields["multipart/form-data"]["schema"]["required"]
    assert required == ["archive", "task", "name"]
