"""The service documents itself: OpenAPI 3.1, problems with examples, pages without a CDN."""

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate
from starlette.testclient import TestClient

from app.replies import ProblemBody

Client = Callable[..., TestClient]


@pytest.fixture(scope="module")
def document(application: FastAPI) -> dict[str, Any]:
    return application.openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, found in document["paths"].items():
        for method, operation in found.items():
            yield path, method, operation


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_operation_ids_are_set_by_hand_and_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for operation_id in ids:
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", operation_id), operation_id


def test_every_operation_has_a_tag_and_a_sentence(document: dict[str, Any]) -> None:
    known = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations(document):
        assert set(operation["tags"]) <= known, f"{method} {path}"
        assert operation.get("description") or operation.get("summary"), f"{method} {path}"


def test_every_error_reply_is_a_problem_with_an_example(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for status, reply in operation["responses"].items():
            if status.startswith(("4", "5")):
                content = reply["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                shown = content.get("example") or next(iter(content["examples"].values()))["value"]
                body = ProblemBody.model_validate(shown)
                assert body.status == int(status), f"{method} {path}"
                assert body.title == HTTPStatus(body.status).phrase


def test_guarded_operations_say_that_they_need_a_key(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        opened = path.startswith(("/healthz/", "/version"))
        assert ("security" in operation) is not opened, f"{method} {path}"
        assert ("401" in operation["responses"]) is not opened, f"{method} {path}"


def test_every_number_that_is_asked_for_has_bounds(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for parameter in operation.get("parameters", []):
            schema = parameter["schema"]
            for kind in [schema, *schema.get("anyOf", [])]:
                if kind.get("type") in ("integer", "number"):
                    bounds = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
                    assert bounds & set(kind), f"{method} {path} {parameter['name']}"


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_pages_load_nothing_from_elsewhere(client_as: Client, page: str) -> None:
    stranger = client_as(None)
    html = stranger.get(page).text
    found = re.findall(r"""(?:src|href)=["']([^"']+)["']""", html)
    assert found
    for url in found:
        assert url.startswith("/assets/"), url
        assert stranger.get(url).status_code == 200
    assert "https://" not in html.replace("https://fastapi", "")


def test_the_front_door_leads_to_the_documentation(client_as: Client) -> None:
    response = client_as(None).get("/", follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (307, "/docs")
