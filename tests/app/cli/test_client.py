"""The client asks politely, follows pages and streams, and turns a refusal into a sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import client as client_module
from app.cli.client import Api, CliError, Event, found_key, parse_events
from app.cli.main import app
from app.cli.watch import events

Answer = Callable[[httpx.Request], httpx.Response]


def api(answer: Answer, key: str = "lt_test") -> Api:
    return Api.connect("http://layertune", key, httpx.MockTransport(answer))


def problem(status: int, code: str, detail: str, **rest: Any) -> httpx.Response:
    body = {"status": status, "code": code, "detail": detail, "title": code, **rest}
    headers = {"Content-Type": "application/problem+json"}
    return httpx.Response(status, content=json.dumps(body), headers=headers)


def test_a_problem_becomes_a_sentence_with_every_pointer() -> None:
    errors = [{"pointer": "#/arms/0", "detail": "arm 'depth:x': use depth:1 to depth:6"}]
    refused = api(lambda _: problem(422, "invalid", "the sweep cannot be started", errors=errors))
    with pytest.raises(CliError) as caught:
        refused.post("/v1/sweeps", {})
    assert str(caught.value) == (
        "the sweep cannot be started\n  #/arms/0: arm 'depth:x': use depth:1 to depth:6"
    )


@pytest.mark.parametrize(
    ("status", "way_out"),
    [
        (401, "Set LAYERTUNE_KEY"),
        (403, "key with a higher role"),
        (404, "`list` commands"),
        (413, "docs/settings.md"),
        (500, "log has more under request req-7"),
    ],
)
def test_a_refusal_names_the_way_out(status: int, way_out: str) -> None:
    refused = api(lambda _: problem(status, "no", "It cannot be done.", request_id="req-7"))
    with pytest.raises(CliError, match=way_out):
        refused.get("/v1/datasets")


def test_a_refusal_that_is_no_problem_document_is_still_a_sentence() -> None:
    refused = api(lambda _: httpx.Response(502, text="<html>Bad gateway</html>"))
    with pytest.raises(CliError, match="HTTP 502"):
        refused.get("/v1/datasets")


def test_a_command_that_is_refused_prints_one_sentence_and_ends_with_1() -> None:
    refused = api(lambda _: problem(404, "not_found", "there is no data set 'ds_x'"))
    ran = CliRunner().invoke(app, ["datasets", "show", "ds_x"], obj=refused)
    assert ran.exit_code == 1
    assert "there is no data set 'ds_x'" in ran.stderr
    assert "Traceback" not in ran.output


def test_nothing_at_the_address_names_the_command_that_starts_it() -> None:
    ran = CliRunner().invoke(app, ["--url", "http://127.0.0.1:9", "datasets", "list"])
    assert ran.exit_code == 1
    assert "Nothing answers at http://127.0.0.1:9" in ran.stderr
    assert "./run up" in ran.stderr


def test_pages_are_followed_to_the_last() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        more = "cursor" not in request.url.params
        item = {"id": "ds_1" if more else "ds_2"}
        return httpx.Response(200, json={"items": [item], "next_cursor": "c1" if more else None})

    assert [item["id"] for item in api(answer).items("/v1/datasets")] == ["ds_1", "ds_2"]
    assert asked == ["limit=200", "limit=200&cursor=c1"]


def test_too_many_requests_waits_as_told_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(client_module.time, "sleep", waited.append)
    answers = [httpx.Response(429, headers={"Retry-After": "3"}), httpx.Response(200, json={})]
    assert api(lambda _: answers.pop(0)).get("/v1/sweeps") == {}
    assert waited == [3.0]


def test_every_creation_carries_its_own_idempotency_key() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        return httpx.Response(202, json={})

    client = api(answer)
    client.post("/v1/sweeps", {})
    client.post("/v1/sweeps", {})
    assert len(set(keys)) == 2


def test_the_key_is_the_one_given_else_the_one_kept_beside_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERTUNE_VAR", str(tmp_path))
    assert found_key("") == ""
    (tmp_path / "admin.key").write_text("lt_kept\n")
    assert found_key("") == "lt_kept"
    assert found_key("lt_given") == "lt_given"


def test_a_download_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield b"half"
            raise httpx.ReadError("gone")

    target = tmp_path / "model.onnx"
    broken = api(lambda _: httpx.Response(200, stream=Broken()))
    with pytest.raises(httpx.ReadError):
        broken.download("/v1/models/mdl_1/files/model.onnx", target, lambda done, total: None)
    assert not target.exists()


# ---- server-sent events ----------------------------------------------------------------------


def test_events_are_read_out_of_their_lines() -> None:
    lines = [
        "retry: 2000", "", ": still here", "", "id: 7", "event: epoch", "data: {\"a\":",
        "data: 1}", "", "data: without an id of its own", "", "id: 8", "data: cut off",
    ]  # fmt: skip
    assert list(parse_events(iter(lines))) == [
        Event("7", "epoch", '{"a":\n1}'),
        Event("7", "message", "without an id of its own"),
    ]


def stream(*numbers: int) -> bytes:
    return b"".join(f"id: {n}\nevent: epoch\ndata: {{}}\n\n".encode() for n in numbers)


def test_a_broken_stream_goes_on_after_the_last_event_seen() -> None:
    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield stream(1, 2)
            raise httpx.ReadError("the proxy has had enough")

    continued_from: list[str | None] = []
    states = iter(["succeeded"])

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/events"):
            return httpx.Response(200, json={"state": next(states)})
        continued_from.append(request.headers.get("Last-Event-ID"))
        if len(continued_from) == 1:
            return httpx.Response(200, stream=Broken())
        return httpx.Response(200, content=stream(3))

    found = [event.id for event in events(api(answer), "swp_1", wait=lambda _: None)]
    assert found == ["1", "2", "3"]
    assert continued_from == [None, "2"]


def test_a_stream_that_ends_before_its_sweep_is_opened_again() -> None:
    opened: list[str] = []
    states = iter(["running", "succeeded"])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            opened.append(request.headers.get("Last-Event-ID", ""))
            return httpx.Response(200, content=stream(len(opened)))
        return httpx.Response(200, json={"state": next(states)})

    assert [one.id for one in events(api(answer), "swp_1", wait=lambda _: None)] == ["1", "2"]
    assert opened == ["", "1"]


def test_a_stream_that_stays_away_says_that_the_sweep_goes_on() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("away")

    with pytest.raises(CliError, match="the sweep itself goes on"):
        list(events(api(answer), "swp_1", wait=lambda _: None))


def test_a_sweep_that_one_may_not_see_is_refused_at_once() -> None:
    waited: list[float] = []
    refused = api(lambda _: problem(404, "not_found", "there is no sweep 'swp_x'"))
    with pytest.raises(CliError, match="there is no sweep"):
        list(events(refused, "swp_x", wait=waited.append))
    assert waited == []
