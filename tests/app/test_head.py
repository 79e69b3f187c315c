"""HEAD answers wherever GET does: the same status, the same headers, no body."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from starlette.testclient import TestClient

from app.db.session import writing
from app.db.tables import Prediction
from app.head import Head
from app.storage import files
from tests.app import rows
from tests.app.live import serving

PASSING = ("date", "x-request-id", "transfer-encoding")
OTHERS = ("/", "/docs", "/redoc", "/openapi.json", "/assets/swagger-ui.css", "/v1/nothing")


def filled() -> dict[str, str]:
    """An example of each thing that a path may name."""
    sweep_id, (run_id, *_) = rows.sweep()
    files().put_bytes("outputs/prd_1/1/timeline.png", b"0123456789")
    facts = {"object": "outputs/prd_1/1/timeline.png", "sha256": "e" * 64, "bytes": 10}
    with writing() as session:
        session.add(
            Prediction(
                id="prd_1", workspace="default", created_by="key_1", state="succeeded",
                task="frame_quality", model_id="mdl_1", long=True, reply={"state": "succeeded"},
                outputs={"timeline.png": facts, "annotated.mp4": facts},
            )
        )  # fmt: skip
    return {
        "dataset_id": rows.dataset(), "case_id": "case_000001", "sweep_id": sweep_id,
        "run_id": run_id, "model_id": rows.model(), "prediction_id": "prd_1",
        "task": "classification",
    }  # fmt: skip


def gets(application: FastAPI) -> list[str]:
    paths = application.openapi()["paths"]
    return [path for path, operations in paths.items() if "get" in operations]


def told(reply: Any) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name not in PASSING}


def test_every_get_answers_a_head_the_same_without_a_body(
    client: TestClient, application: FastAPI
) -> None:
    known, answered = filled(), []
    for path in [*gets(application), *OTHERS]:
        place = re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], "card.json"), path)
        got = client.get(place, follow_redirects=False)
        head = client.head(place, follow_redirects=False)
        assert head.status_code == got.status_code, path
        assert head.content == b"", path
        if path not in ("/metrics", "/healthz/ready"):  # their length is another each time
            assert told(head) == told(got), path
        answered.append(got.status_code)
    assert len(answered) > 25
    assert answered.count(200) > 20


def test_a_head_bears_conditions_and_ranges_as_a_get_does(client: TestClient) -> None:
    path = f"/v1/models/{rows.model()}/files/model.onnx"
    head = client.head(path, headers={"Range": "bytes=2-4"})
    assert (head.status_code, head.headers["content-length"], head.content) == (206, "3", b"")
    held = {"If-None-Match": client.head(path).headers["etag"]}
    assert client.head(path, headers=held).status_code == 304


def test_a_head_of_what_only_takes_a_post_is_not_allowed(client: TestClient) -> None:
    reply = client.head("/v1/predictions/prd_1/cancel")
    assert (reply.status_code, reply.headers["allow"], reply.content) == (405, "POST", b"")


def test_a_head_needs_a_key_too(client_as: Callable[..., TestClient]) -> None:
    assert client_as(None).head("/v1/tasks").status_code == 401


@pytest.mark.parametrize("version", ["2.0", "2.4"])
def test_the_body_that_a_head_spares_is_not_made(version: str) -> None:
    """A stream without end is left after its headers, whatever the server speaks."""
    made, sent = [], []
    app = FastAPI()

    @app.get("/endless")
    async def endless() -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            while True:
                made.append(1)
                yield b"x"
                await asyncio.sleep(0)

        return StreamingResponse(chunks(), headers={"X-Kind": "endless"})

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": version}, "method": "HEAD",
        "path": "/endless", "raw_path": b"/endless", "query_string": b"", "root_path": "",
        "scheme": "http", "headers": [], "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(asyncio.wait_for(Head(app)(scope, receive, send), 5))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (b"x-kind", b"endless") in sent[0]["headers"]
    assert sent[1]["body"] == b""
    assert len(made) <= 2
    assert scope["method"] == "HEAD"
    assert scope["route"].path == "/endless"


def test_a_real_server_keeps_the_connection_after_a_head(sqlite: object) -> None:
    with serving() as server:
        for _ in range(3):
            head = server.http.head("/v1/tasks")
            assert (head.status_code, head.content) == (200, b"")
            assert server.http.get("/v1/tasks").json()
        assert server.established() == 1
