"""A sweep is watched: its state, progress, events, picture and numbers."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from app.db import lifecycle
from app.db.session import writing
from app.db.tables import EpochRow, Finish, Run, Sweep
from app.sweeps import events
from app.sweeps.schemas import Event
from tests.app import rows


def change(table: type[Any], row_id: str, **values: Any) -> None:
    with writing() as session:
        session.execute(update(table).where(table.id == row_id).values(**values))


def test_a_running_sweep_tells_how_far_it_is(client: TestClient) -> None:
    sweep_id, runs = rows.sweep(states=("succeeded", "running", "queued"))
    change(Run, runs[1], epochs_done=4)
    body = client.get(f"/v1/sweeps/{sweep_id}").json()
    assert body["state"] == "running" and body["recommendation"] is None
    progress = body["progress"]
    assert (progress["runs_done"], progress["runs"]) == (1, 3)
    assert (progress["epochs_done"], progress["epochs"]) == (14, 30)
    assert progress["eta_s"] > 0
    assert body["runs"][0]["validation"] == {"auc": {"value": 0.86, "low": 0.81, "high": 0.90}}
    assert body["arms"] == ["depth:1", "depth:2", "depth:3"]


def test_the_time_left_follows_from_the_work_left(client: TestClient) -> None:
    # Three runs of the same depth cost the same: one took 20 s, so half of one and a whole are 30.
    sweep_id, runs = rows.sweep(states=("succeeded", "running", "queued"))
    for run_id in runs:
        change(Run, run_id, depth=2)
    change(Run, runs[1], epochs_done=5)
    assert client.get(f"/v1/sweeps/{sweep_id}").json()["progress"]["eta_s"] == pytest.approx(30)


def test_there_is_no_time_left_to_tell_before_the_first_epoch(client: TestClient) -> None:
    sweep_id, runs = rows.sweep(states=("running", "queued"))
    assert client.get(f"/v1/sweeps/{sweep_id}").json()["progress"]["eta_s"] is None
    change(Run, runs[0], epochs_done=1)
    with writing() as session:
        session.add(EpochRow(run_id=runs[0], epoch=1, record={"seconds": 2.0, "loss": 0.5}))
    assert client.get(f"/v1/sweeps/{sweep_id}").json()["progress"]["eta_s"] > 0


def test_runs_that_ended_early_have_no_epochs_left(client: TestClient) -> None:
    sweep_id, runs = rows.sweep(states=("succeeded", "skipped", "failed"), finish="succeeded")
    change(Run, runs[2], epochs_done=3, failure={"code": "diverged", "detail": "loss is nan"})
    body = client.get(f"/v1/sweeps/{sweep_id}").json()
    assert body["state"] == "succeeded"
    assert (body["progress"]["epochs_done"], body["progress"]["epochs"]) == (13, 13)
    assert body["progress"]["eta_s"] is None
    assert body["runs"][2]["failure"]["code"] == "diverged"


@pytest.mark.parametrize(
    ("states", "finish", "state"),
    [
        (("queued", "queued"), "waiting", "queued"),
        (("succeeded", "queued"), "waiting", "running"),
        (("succeeded", "succeeded"), "running", "running"),
        (("failed", "failed"), "failed", "failed"),
        (("cancelled", "cancelled"), "cancelled", "cancelled"),
        (("succeeded", "cancelled"), "succeeded", "cancelled"),
        (("succeeded", "failed"), "succeeded", "succeeded"),
    ],
)
def test_the_state_is_computed_from_the_rows(
    client: TestClient, states: tuple[str, ...], finish: str, state: str
) -> None:
    sweep_id, _ = rows.sweep(states=states, finish=finish)
    assert client.get(f"/v1/sweeps/{sweep_id}").json()["state"] == state


def test_the_recommendation_is_given_as_it_was_stored(client: TestClient) -> None:
    said = {
        "arm": "depth:1", "run_id": "run_1", "model_id": "mdl_1", "reason": "shallowest",
        "not_distinguished": [{"arm": "depth:2", "p": 0.31}], "test": None, "partial": True,
    }  # fmt: skip
    sweep_id, _ = rows.sweep(states=("succeeded",), finish="succeeded")
    change(Sweep, sweep_id, recommendation=said)
    assert client.get(f"/v1/sweeps/{sweep_id}").json()["recommendation"] == said


def test_sweeps_are_listed_newest_first_in_pages(client: TestClient) -> None:
    made = rows.dataset()
    older, newer = (rows.sweep(dataset_id=made)[0] for _ in range(2))
    first = client.get("/v1/sweeps", params={"limit": 1}).json()
    assert [item["id"] for item in first["items"]] == [newer]
    second = client.get("/v1/sweeps", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in second["items"]] == [older] and second["next_cursor"] is None
    assert client.get("/v1/sweeps", params={"dataset_id": "ds_other"}).json()["items"] == []


# ---- cancel, pause, resume ------------------------------------------------------------------


def test_a_cancel_keeps_what_is_finished(client: TestClient, bells: list[tuple[str, str]]) -> None:
    sweep_id, _ = rows.sweep(states=("succeeded", "queued", "queued"))
    reply = client.post(f"/v1/sweeps/{sweep_id}/cancel")
    assert reply.status_code == 202
    assert [run["state"] for run in reply.json()["runs"]] == ["succeeded", "cancelled", "cancelled"]
    assert reply.json()["state"] == "running"  # the finish is yet to choose among what there is
    assert bells == [("tune", sweep_id)]


def test_a_cancel_of_what_never_began_ends_at_once_and_twice_is_once(client: TestClient) -> None:
    sweep_id, _ = rows.sweep(states=("queued", "queued"))
    first = client.post(f"/v1/sweeps/{sweep_id}/cancel")
    seen = client.get(f"/v1/sweeps/{sweep_id}/events").json()
    second = client.post(f"/v1/sweeps/{sweep_id}/cancel")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["state"] == second.json()["state"] == "cancelled"
    assert client.get(f"/v1/sweeps/{sweep_id}/events").json() == seen


def test_pause_and_resume_are_idempotent(client: TestClient, bells: list[tuple[str, str]]) -> None:
    sweep_id, runs = rows.sweep(states=("running", "queued"))
    for _ in range(2):
        assert client.post(f"/v1/sweeps/{sweep_id}/pause").json()["state"] == "pausing"
    change(Run, runs[0], state="queued")
    assert client.get(f"/v1/sweeps/{sweep_id}").json()["state"] == "paused"
    for _ in range(2):
        assert client.post(f"/v1/sweeps/{sweep_id}/resume").json()["state"] == "queued"
    assert ("tune", sweep_id) in bells
    told = [event["data"]["state"] for event in client.get(f"/v1/sweeps/{sweep_id}/events").json()]
    assert told == ["queued", "pausing", "queued"]


def test_an_ended_sweep_is_told_nothing_any_more(client: TestClient) -> None:
    sweep_id, _ = rows.sweep(states=("succeeded",), finish="succeeded")
    for verb in ("cancel", "pause", "resume"):
        reply = client.post(f"/v1/sweeps/{sweep_id}/{verb}")
        assert (reply.status_code, reply.json()["state"]) == (202, "succeeded")
    assert len(client.get(f"/v1/sweeps/{sweep_id}/events").json()) == 1


# ---- events ---------------------------------------------------------------------------------


def ended_sweep() -> str:
    """A sweep whose events end with the terminal one."""
    sweep_id, runs = rows.sweep(states=("succeeded",), finish="succeeded")
    with writing() as session:
        data = {"epoch": 1, "loss": 0.4}
        lifecycle.emit(session, sweep_id, "epoch", data, run_id=runs[0])
        lifecycle.emit(session, sweep_id, "sweep", {"state": "succeeded"})
    return sweep_id


def streamed(client: TestClient, sweep_id: str, **headers: str) -> list[dict[str, Any]]:
    asked = {"Accept": "text/event-stream", **headers}
    reply = client.get(f"/v1/sweeps/{sweep_id}/events", headers=asked)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    found = []
    for block in reply.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            data = json.loads(lines["data"])
            assert (str(data["id"]), data["kind"]) == (lines["id"], lines["event"])
            found.append(data)
    return found


def test_the_stream_replays_what_the_list_tells_and_ends(client: TestClient) -> None:
    sweep_id = ended_sweep()
    listed = client.get(f"/v1/sweeps/{sweep_id}/events").json()
    assert [(event["kind"], event["data"].get("state")) for event in listed] == [
        ("sweep", "queued"), ("epoch", None), ("sweep", "succeeded"),
    ]  # fmt: skip
    assert streamed(client, sweep_id) == listed


def test_a_reconnecting_watcher_goes_on_where_it_was(client: TestClient) -> None:
    sweep_id = ended_sweep()
    listed = client.get(f"/v1/sweeps/{sweep_id}/events").json()
    last = str(listed[0]["id"])
    assert streamed(client, sweep_id, **{"Last-Event-ID": last}) == listed[1:]
    assert streamed(client, sweep_id, **{"Last-Event-ID": str(listed[-1]["id"])}) == []
    after = client.get(f"/v1/sweeps/{sweep_id}/events", params={"after": last, "limit": 1})
    assert after.json() == listed[1:2]
    assert streamed(client, sweep_id, **{"Last-Event-ID": ""}) == listed
    wrong = client.get(f"/v1/sweeps/{sweep_id}/events", headers={"Last-Event-ID": "yesterday"})
    assert wrong.status_code == 422


def heard(number: int, kind: str = "epoch", **data: Any) -> Event:
    return Event(id=number, at="2026-11-23T10:00:00Z", kind=kind, run_id=None, data=data)  # type: ignore[arg-type]


async def collect(
    looks: list[tuple[list[Event], bool]], gone_after: int = 99, after: int = 0
) -> tuple[list[bytes], list[int]]:
    """What a watcher hears when the database shows `looks` one after the other."""
    asked: list[int] = []

    async def look(_: str, last: int) -> tuple[list[Event], bool]:
        asked.append(last)
        return looks[len(asked) - 1] if len(asked) <= len(looks) else ([], False)

    async def gone() -> bool:
        return len(asked) >= gone_after

    async def sleep(_: float) -> None:
        await asyncio.sleep(0)

    stream = events.stream("swp_1", after, look, gone, sleep)
    return [part async for part in stream], asked


def test_a_stream_asks_for_what_is_newer_and_stops_at_the_end() -> None:
    looks = [
        ([heard(3), heard(5)], False),
        ([], False),
        ([heard(6, "sweep", state="failed")], False),
    ]
    told, asked = asyncio.run(collect(looks, after=2))
    assert asked == [2, 5, 5]
    assert [part.split(b"\n")[0] for part in told[1:]] == [b"id: 3", b"id: 5", b"id: 6"]


def test_a_vanished_watcher_is_not_served_on() -> None:
    _, asked = asyncio.run(collect([], gone_after=3))
    assert len(asked) == 3


def test_a_quiet_stream_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.0)
    told, _ = asyncio.run(collect([], gone_after=2))
    assert told[1:] == [b": still here\n\n"] * 2


# ---- plot, runs, numbers --------------------------------------------------------------------


def test_a_sweep_is_drawn(client: TestClient) -> None:
    sweep_id, _ = rows.sweep()
    svg = client.get(f"/v1/sweeps/{sweep_id}/plot.svg")
    assert svg.headers["Content-Type"].startswith("image/svg+xml") and b"<svg" in svg.content
    png = client.get(f"/v1/sweeps/{sweep_id}/plot.png")
    assert png.headers["Content-Type"] == "image/png" and png.content.startswith(b"\x89PNG")
    held = {"If-None-Match": png.headers["ETag"]}
    assert client.get(f"/v1/sweeps/{sweep_id}/plot.png", headers=held).status_code == 304
    assert client.get(f"/v1/sweeps/{sweep_id}/plot.gif").status_code == 404


def test_a_sweep_of_which_nothing_has_ended_is_drawn_empty(client: TestClient) -> None:
    sweep_id, _ = rows.sweep(states=("queued", "queued"))
    for kind in ("svg", "png"):
        assert client.get(f"/v1/sweeps/{sweep_id}/plot.{kind}").status_code == 200


def test_a_run_shows_every_epoch_and_its_failure(client: TestClient) -> None:
    sweep_id, runs = rows.sweep(states=("failed",), finish="failed")
    failure = {"code": "diverged", "detail": "the loss is not finite"}
    change(Run, runs[0], failure=failure, attempt=2, freeze_proof={"frozen_unchanged": True})
    with writing() as session:
        for epoch in (1, 2):
            record = {"loss": 1 / epoch, "validation": {"auc": 0.8}, "learning_rate": 1e-3}
            session.add(EpochRow(run_id=runs[0], epoch=epoch, record=record))
    body = client.get(f"/v1/runs/{runs[0]}").json()
    assert (body["sweep_id"], body["attempt"], body["failure"]) == (sweep_id, 2, failure)
    assert [(row["epoch"], row["loss"]) for row in body["epochs"]] == [(1, 1.0), (2, 0.5)]
    assert body["freeze_proof"] == {"frozen_unchanged": True}
    assert body["times"] == {"queued": "2026-11-23T10:00:00Z"}
    assert body["plan"] == [{"layer": "head", "learning_rate": 0.003}]


def test_the_outputs_of_a_run_come_as_a_table(client: TestClient) -> None:
    _, runs = rows.sweep(states=("succeeded",), finish="succeeded")
    name = rows.outputs("measures/v.json", [(0.75, 0.25), (0.1, 0.9)])
    change(Run, runs[0], measures=name)
    validation = client.get(f"/v1/runs/{runs[0]}/predictions.csv")
    assert validation.headers["Content-Type"].startswith("text/csv")
    found = list(csv.reader(io.StringIO(validation.text)))
    assert found == [
        ["run_id", "case", "subject", "part", "truth", "score_benign", "score_malignant"],
        [runs[0], "case_000001", "subject-0", "validation", "benign", "0.75", "0.25"],
        [runs[0], "case_000002", "subject-1", "validation", "malignant", "0.1", "0.9"],
    ]
    change(Run, runs[0], test_measures=rows.outputs("measures/t.json", [(1.0, 0.0)]))
    both = list(csv.DictReader(io.StringIO(client.get(f"/v1/runs/{runs[0]}/predictions.csv").text)))
    assert [row["part"] for row in both] == ["validation", "validation", "test"]


def test_a_run_without_outputs_says_so(client: TestClient) -> None:
    _, runs = rows.sweep(states=("running",))
    reply = client.get(f"/v1/runs/{runs[0]}/predictions.csv")
    assert (reply.status_code, reply.json()["code"]) == (409, "no_predictions")
    assert reply.json()["retryable"] is True


def test_another_workspace_sees_nothing(client_as: Callable[..., TestClient]) -> None:
    sweep_id, runs = rows.sweep()
    other = client_as("elsewhere")
    for path in ("", "/events", "/plot.svg", "/plot.png"):
        assert other.get(f"/v1/sweeps/{sweep_id}{path}").status_code == 404
    stream = {"Accept": "text/event-stream"}
    assert other.get(f"/v1/sweeps/{sweep_id}/events", headers=stream).status_code == 404
    for verb in ("cancel", "pause", "resume"):
        assert other.post(f"/v1/sweeps/{sweep_id}/{verb}").status_code == 404
    for path in ("", "/predictions.csv"):
        assert other.get(f"/v1/runs/{runs[0]}{path}").status_code == 404
    assert other.get("/v1/sweeps").json()["items"] == []


def test_viewers_watch_and_command_nothing(client_as: Callable[..., TestClient]) -> None:
    sweep_id, _ = rows.sweep()
    viewer = client_as("viewer")
    assert viewer.get(f"/v1/sweeps/{sweep_id}").status_code == 200
    for verb in ("cancel", "pause", "resume"):
        assert viewer.post(f"/v1/sweeps/{sweep_id}/{verb}").status_code == 403


def test_a_failed_finish_is_told(client: TestClient) -> None:
    sweep_id, _ = rows.sweep(states=("failed",), finish="failed")
    change(Finish, sweep_id, failure={"code": "no_depth_succeeded", "detail": "none"})
    body = client.get(f"/v1/sweeps/{sweep_id}").json()
    assert (body["state"], body["failure"]["code"]) == ("failed", "no_depth_succeeded")
