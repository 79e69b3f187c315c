"""The stack of single processes does the main job, and one kill and one restart change nothing."""

import os
import signal
import time
from typing import Any

import httpx
import numpy as np
import pytest

from models.discovery import tasks
from tests.stack.conftest import Stack


@pytest.fixture(scope="module")
def undisturbed(stack: Stack) -> Any:
    """A sweep that nobody troubled."""
    sweep = stack.ended(stack.sweep())
    assert sweep["state"] == "succeeded", sweep
    return sweep


@pytest.fixture(scope="module")
def deployed(stack: Stack, undisturbed: Any) -> str:
    model_id = undisturbed["recommendation"]["model_id"]
    answer = stack.client.put("/v1/deployments/frame_quality", json={"model_id": model_id})
    assert answer.status_code == 200, answer.text
    return str(model_id)


def frame(index: int = 0) -> bytes:
    phantom = tasks()["frame_quality"].phantom(np.random.default_rng(7 + index), index)
    return next(data for name, data in phantom.files.items() if name.endswith((".jpg", ".png")))


def predict(stack: Stack, image: bytes, prefer: str = "", **fields: str) -> httpx.Response:
    headers = {"Prefer": prefer} if prefer else {}
    return stack.client.post(
        "/v1/predictions/frame_quality", files={"file": ("frame.jpg", image)}, data=fields,
        headers=headers,
    )  # fmt: skip


def test_two_workers_are_two_lanes_that_share_one_patch_set_and_one_cache(
    stack: Stack, undisturbed: Any
) -> None:
    owners = {
        "tuner-1": stack.said("tuner-1").count("worker.lane started"),
        "tuner-2": stack.said("tuner-2").count("worker.lane started"),
    }
    assert all(owners.values()), owners
    cache = stack.folder / "tuner" / "cache"
    assert len([entry for entry in (cache / "patches").iterdir() if entry.is_dir()]) == 1
    assert len([entry for entry in (cache / "prefix").iterdir() if entry.is_dir()]) == 1


def test_a_finished_sweep_leaves_no_uploads_checkpoints_or_folders(
    stack: Stack, undisturbed: Any, s3_endpoint: str
) -> None:
    cache = stack.folder / "tuner" / "cache"
    assert [path for kind in ("runs", "finishes") for path in (cache / kind).glob("*")] == []
    listed = httpx.get(f"{s3_endpoint}/tests", params={"list-type": "2", "prefix": "stack/"}).text
    assert "stack/packs/" in listed
    assert "stack/uploads/" not in listed
    assert "stack/checkpoints/" not in listed


def test_one_killed_lane_and_a_restart_of_postgresql_change_nothing(
    stack: Stack, undisturbed: Any
) -> None:
    sweep_id = stack.sweep()
    stack.until(lambda: stack.running(sweep_id) == 2, 60)
    os.kill(stack.lanes()[0], signal.SIGKILL)
    seen = stack.epochs(sweep_id)
    stack.until(lambda: stack.epochs(sweep_id) >= seen + 3, 60)
    stack.postgres.stop()
    time.sleep(1)
    stack.postgres.start()
    assert stack.ended(sweep_id)["state"] == "succeeded"
    assert stack.weights(sweep_id) == stack.weights(undisturbed["id"])
    attempts = stack.rows("SELECT max(attempt) FROM runs WHERE sweep_id = %s", sweep_id)
    assert attempts[0][0] > 1
    events = stack.rows(
        "SELECT run_id, data->>'epoch', count(*) FROM events "
        "WHERE sweep_id = %s AND kind = 'epoch' GROUP BY 1, 2",
        sweep_id,
    )
    assert len(events) == 84  # 3 arms of 28 epochs,
    assert {count for _, _, count in events} == {1}  # each told once


def test_a_prediction_at_once_and_a_queued_one_find_the_same(stack: Stack, deployed: str) -> None:
    image = frame()
    at_once = predict(stack, image)
    assert at_once.status_code == 200, at_once.text
    queued = predict(stack, image, "respond-async")
    assert queued.status_code == 202, queued.text
    later = stack.get(f"{queued.headers['Location']}?wait_s=20")
    assert later["state"] == "succeeded", later
    assert later["finding"] == at_once.json()["finding"]
    assert later["model"]["id"] == deployed


def test_a_burst_of_queued_predictions_waits_for_no_bell(stack: Stack, deployed: str) -> None:
    """More than a worker takes at once: the bells it had no hand for are not what they wait on."""
    places = [predict(stack, frame(k), "respond-async").headers["Location"] for k in range(20)]
    began = time.monotonic()
    states = {stack.get(f"{place}?wait_s=20")["state"] for place in places}
    assert states == {"succeeded"}
    assert time.monotonic() - began < 15


def test_another_depth_becomes_a_model_on_request(stack: Stack, undisturbed: Any) -> None:
    chosen = undisturbed["recommendation"]["run_id"]
    other = next(run["id"] for run in undisturbed["runs"] if run["id"] != chosen)
    asked = stack.client.post("/v1/models", json={"run_id": other})
    assert asked.status_code == 202, asked.text
    path = f"/v1/models/{asked.json()['id']}"
    stack.until(lambda: stack.get(path)["state"] not in ("queued", "running"), 60)
    model = stack.get(path)
    assert model["state"] == "registered", model
    answer = predict(stack, frame(), model_id=model["id"])
    assert answer.json()["model"]["id"] == model["id"]


def test_sigterm_to_one_worker_gives_its_run_back_and_the_other_goes_on(
    stack: Stack, undisturbed: Any
) -> None:
    sweep_id = stack.sweep()
    stack.until(lambda: stack.running(sweep_id) == 2, 60)
    assert stack.stop("tuner-1") < 10
    assert stack.processes["tuner-1"].returncode == 0
    assert len([command for command in stack.alive() if "worker.lane" in command]) <= 1
    assert stack.ended(sweep_id)["state"] == "succeeded"
    assert stack.weights(sweep_id) == stack.weights(undisturbed["id"])
    lost = "SELECT sum(losses + lost_workers) FROM runs WHERE sweep_id = %s"
    assert stack.rows(lost, sweep_id) == [(0,)]


def test_sigterm_ends_every_process_and_leaves_none_behind(stack: Stack) -> None:
    for name in ("tuner-2", "predictor", "api"):
        assert stack.stop(name) < 12, stack.said(name)
    assert stack.alive() == []
    assert stack.rows("SELECT worker FROM heartbeats") == []
