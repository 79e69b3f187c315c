"""Nonsense in, a problem out: never a 500, on SQLite and on PostgreSQL."""

import base64
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.text import is_line
from tests.app import rows

JSON = {"Content-Type": "application/json"}


def refused(reply: Any, *statuses: int) -> dict[str, Any]:
    assert reply.status_code in statuses, f"{reply.status_code} {reply.text[:300]}"
    assert reply.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = reply.json()
    assert body["status"] == reply.status_code
    return body


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


PATHS = (
    "/v1/tasks/{}", "/v1/datasets/{}", "/v1/datasets/{}/cases",
    "/v1/datasets/{}/cases/{}/preview.png", "/v1/sweeps/{}", "/v1/sweeps/{}/events",
    "/v1/sweeps/{}/plot.svg", "/v1/runs/{}", "/v1/runs/{}/predictions.csv", "/v1/models/{}",
    "/v1/models/{}/files/{}", "/v1/deployments/{}", "/v1/predictions/{}",
    "/v1/predictions/{}/timeline.png", "/v1/predictions/{}/annotated.mp4", "/v1/keys/{}",
)  # fmt: skip
STRANGE_IDS = ("%00", "a%00b", "%ff", "%F0%9F%90%99", "%0d%0aX:%20y", "'%20OR%201=1--", "1" * 2000)


@pytest.mark.parametrize("strange", STRANGE_IDS, ids=range(len(STRANGE_IDS)))
def test_a_strange_id_is_nowhere(client: TestClient, strange: str) -> None:
    for path in PATHS:
        refused(client.get(path.replace("{}", strange), headers={"If-None-Match": "*"}), 404, 422)
    refused(client.delete(f"/v1/datasets/{strange}"), 404, 422)
    refused(client.post(f"/v1/sweeps/{strange}/cancel"), 404, 422)


def test_a_strange_case_or_file_of_a_real_thing_is_nowhere(client: TestClient) -> None:
    dataset, model = rows.dataset(), rows.model()
    for strange in ("%00", "%E6%97%A5", "%22", "case_999999"):
        preview = f"/v1/datasets/{dataset}/cases/{strange}/preview.png"
        refused(client.get(preview, headers={"If-None-Match": "*"}), 404)
        refused(client.get(f"/v1/models/{model}/files/{strange}"), 404)


LISTS = ("/v1/datasets", "/v1/sweeps", "/v1/models", "/v1/deployments", "/v1/keys", "/v1/audit")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=1e3", "limit=nan", f"limit={'9' * 400}", "cursor=%00",
     "cursor=%ff", f"cursor={cursor(chr(0))}", f"cursor={cursor('Robert); DROP TABLE')}",
     "cursor=!!!"],
)  # fmt: skip
def test_a_strange_page_is_refused(client: TestClient, query: str) -> None:
    for path in LISTS:
        refused(client.get(f"{path}?{query}"), 422)


@pytest.mark.parametrize("last", ["9" * 200, "-1", "1.5", "\u0663", "1_0", "x"])
def test_a_position_that_is_none_is_refused(client: TestClient, last: str) -> None:
    made = rows.dataset()
    for path in (f"/v1/datasets/{made}/cases", "/v1/audit"):
        body = refused(client.get(path, params={"cursor": cursor(last)}), 422)
        assert body["code"] == "bad_cursor"


def test_a_nul_in_a_query_is_refused(client: TestClient) -> None:
    for query in ("datasets?task=%00", "sweeps?dataset_id=a%00", "models?task=%00"):
        refused(client.get(f"/v1/{query}"), 422)


BODIES = (
    b"", b"{", b"null", b"[]", b'"x"', b"1e999", b"\xff\xfe", b"[" * 50_000,
    b"1" * 10_000, b'{"\\ud800": 1}', b'{"name": "\\ud800", "role": "viewer"}',
    b'{"name": "a\\u0000b", "role": "viewer", "dataset_id": "\\u0000", "run_id": "\\u0000", '
    b'"model_id": "\\u0000"}',
    b'{"dataset_id": "\\ud800", "model_id": "\\ud800", "run_id": "\\ud800"}',
)  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_body_that_is_none_is_refused(client: TestClient, body: bytes) -> None:
    for path in ("/v1/sweeps", "/v1/models", "/v1/keys"):
        refused(client.post(path, content=body, headers=JSON), 400, 422)
    refused(client.put("/v1/deployments/x", content=body, headers=JSON), 400, 422)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e308", "-1", "9" * 400])
@pytest.mark.parametrize(
    "field",
    ['"seeds": [%s]', '"fractions": [%s]', '"budget_minutes": %s', '"recipe": {"epochs": %s}',
     '"recipe": {"learning_rate": %s}', '"recipe": {"weight_decay": %s}',
     '"recipe": {"batch_size": %s}', '"recipe": {"momentum": %s}', '"arms": [%s]'],
)  # fmt: skip
def test_an_absurd_number_is_refused(client: TestClient, field: str, number: str) -> None:
    body = f'{{"dataset_id": "{rows.dataset()}", {field % number}}}'
    assert refused(client.post("/v1/sweeps", content=body, headers=JSON), 422)["errors"]


@pytest.mark.parametrize("point", ["NaN", "Infinity", "1e308", "-1", "9" * 400, "true", "[]"])
def test_an_absurd_operating_point_is_refused(client: TestClient, point: str) -> None:
    body = f'{{"model_id": "{rows.model()}", "operating_point": {point}}}'
    reply = client.put("/v1/deployments/classification", content=body, headers=JSON)
    assert refused(reply, 422)["errors"][0]["pointer"] == "#/operating_point"


@pytest.mark.parametrize("name", ["a\x00b", "two\nlines", "\x1b[31mred", "\x85"])
def test_a_name_with_control_characters_is_refused(client: TestClient, name: str) -> None:
    assert not is_line(name)
    asked = {"dataset_id": rows.dataset(), "name": name}
    assert refused(client.post("/v1/sweeps", json=asked), 422)["errors"][0]["pointer"] == "#/name"
    refused(client.post("/v1/keys", json={"name": name, "role": "viewer"}), 422)
    form = {"task": "classification", "name": name}
    sent = client.post("/v1/datasets", data=form, files={"archive": ("a.zip", b"PK")})
    assert refused(sent, 422)["errors"][0]["pointer"] == "#/name"


@pytest.mark.parametrize("name", ["Größe", "超音波", "صدى", "🩺", "'; DROP TABLE sweeps;--"])
def test_a_name_may_be_in_any_script(client: TestClient, name: str) -> None:
    assert is_line(name)
    made = client.post("/v1/keys", json={"name": name, "role": "viewer"})
    assert (made.status_code, made.json()["name"]) == (201, name)
    form = {"task": "classification", "name": name}
    sent = client.post("/v1/datasets", data=form, files={"archive": ("a.zip", b"PK")})
    assert (sent.status_code, sent.json()["name"]) == (202, name)


FORMS = (
    ("multipart/form-data", b"", 415),
    ("multipart/form-data; boundary=", b"", 415),
    ("multipart/mixed; boundary=x", b"--x--", 415),
    ("multipart/form-data; boundary=x", b"", 422),
    ("multipart/form-data; boundary=x", b"--y\r\n", 400),
    ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--\r\n", 422),
    ("text/plain", b"hello", 415),
    ("application/x-www-form-urlencoded", b"task=x", 415),
)


@pytest.mark.parametrize(("kind", "body", "status"), FORMS, ids=range(len(FORMS)))
def test_a_form_that_is_none_is_refused(
    client: TestClient, kind: str, body: bytes, status: int
) -> None:
    headers = {"Content-Type": kind}
    refused(client.post("/v1/datasets", content=body, headers=headers), status)
    for path in ("/v1/models", "/v1/predictions/classification"):
        refused(client.post(path, content=body, headers=headers), 400, 415, 422)


def test_a_field_given_twice_is_refused(client: TestClient) -> None:
    part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = part.format("name", "a") + part.format("name", "b") + "--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    found = refused(client.post("/v1/datasets", content=body.encode(), headers=headers), 422)
    assert found["errors"] == [{"pointer": "#/name", "detail": "the field was given twice"}]
