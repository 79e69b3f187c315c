"""kill -9 of the API while it takes something in: what it had said holds, the rest never was."""

import os
import signal
import socket
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.faults import holds
from tests.faults.embedded import SHORT, Stack, phantoms
from tests.faults.scenario import Scenario, Seen, each, told

KILL = "kill -9 of the API"
SENT_AGAIN = (
    "sent again with its Idempotency-Key it is there once; a file without a row goes in a day"
)
SAME = "lanes go on without it; it is back by itself; same digests, each epoch and each end once"
DEPLOYED = "sent again it answers; the deployment and its history hold that model once"
UPLOADS = {
    "an upload received by half": "",
    "an upload stored, not yet committed": "before create",
    "an upload just committed, not yet answered": "committed Dataset",
}
DEPLOYMENTS = {
    "a deployment's commit": "in deploy",
    "a deployment just committed, not yet answered": "committed Deployment",
}
STEPS = ("after claim.take", "stage training", "write checkpoint", "in Training.record.write",
         "in Training.succeed.write", "in finish.record")  # fmt: skip


def cut_short(stack: Stack) -> None:
    """Sends half of an upload, and kills the API while it waits for the rest."""
    url = stack.client.base_url
    request = stack.client.build_request(
        "POST", "/v1/datasets", data={"task": "classification", "name": "half"},
        files={"archive": ("a.zip", phantoms())},
    )  # fmt: skip
    body = request.read()
    lines = "".join(f"{k}: {v}\r\n" for k, v in request.headers.items())
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.sendall(f"POST /v1/datasets HTTP/1.1\r\n{lines}\r\n".encode())
        connection.sendall(body[: len(body) // 2])
        stack.until(lambda: any((stack.inside / "files" / ".unfinished").glob("*")), 20)
        stack.kill("api")
        with suppress(OSError):
            connection.recv(1)


@pytest.mark.parametrize("case", each([Scenario(KILL, at, SENT_AGAIN) for at in UPLOADS]), ids=str)
def test_an_upload_is_there_once_or_not_at_all(stack: Stack, case: Scenario, seen: Seen) -> None:
    place = UPLOADS[case.at]
    count = "SELECT count(*) FROM datasets"
    ((before,),) = stack.rows(count)
    key = {"Idempotency-Key": f"upload-{time.time()}"}
    if place:
        stack.harm.arm(place)
        with pytest.raises(httpx.TransportError):
            stack.client.post("/v1/datasets", headers=key, **form())
    else:
        cut_short(stack)
    seen.hurt()
    answer = answered(stack, "POST", "/v1/datasets", headers=key, **form())
    seen.well()
    assert answer.status_code == 202, answer.text
    stack.checked(answer.json()["id"])
    assert stack.rows(count) == [(before + 1,)]
    stack.tidy()
    seen.held()


def form() -> dict[str, Any]:
    return {
        "data": {"task": "classification", "name": "phantoms"},
        "files": {"archive": ("phantoms.zip", phantoms())},
    }


def answered(stack: Stack, method: str, path: str, **request: Any) -> httpx.Response:
    """The reply to a request that is repeated until the API is back."""
    for _ in range(600):
        with suppress(httpx.TransportError):
            return stack.client.request(method, path, **request)
        time.sleep(0.1)
    raise TimeoutError(path)


@pytest.fixture(scope="module")
def models(stack: Stack) -> list[str]:
    """Two models of one task."""
    made = []
    for _ in range(2):
        sweep = stack.ended(stack.sweep(**SHORT))
        made.append(sweep["recommendation"]["model_id"])
    return made


@pytest.mark.parametrize(
    "case", each([Scenario(KILL, at, DEPLOYED) for at in DEPLOYMENTS]), ids=str
)
def test_a_deployment_is_made_once(
    stack: Stack, models: list[str], case: Scenario, seen: Seen
) -> None:
    name = "classification"
    asked = {"json": {"model_id": models[0]}}
    assert answered(stack, "PUT", f"/v1/deployments/{name}", **asked).status_code == 200
    history = len(stack.get(f"/v1/deployments/{name}")["history"])
    stack.harm.arm(DEPLOYMENTS[case.at])
    asked = {"json": {"model_id": models[1]}}
    with pytest.raises(httpx.TransportError):
        stack.client.put(f"/v1/deployments/{name}", **asked)
    seen.hurt()
    answer = answered(stack, "PUT", f"/v1/deployments/{name}", **asked)
    seen.well()
    assert answer.status_code == 200, answer.text
    shown = stack.get(f"/v1/deployments/{name}")
    assert shown["model_id"] == models[1]
    assert len(shown["history"]) == history + 1
    seen.held()


@told(
    Scenario(
        f"{KILL}, six times", "a claim, the first batch, the middle of writing a checkpoint, the "
        "commits of an epoch, of a result and of the recommendation", SAME,
    )
)  # fmt: skip
def test_an_api_killed_at_every_step_of_one_sweep_changes_nothing(
    stack: Stack, undisturbed_short: dict[str, Any], seen: Seen
) -> None:
    for place in STEPS:
        stack.harm.arm(place, "sleep", seconds=0.3)
    sweep_id = stack.sweep(**SHORT)
    for place in STEPS:
        stack.until(lambda place=place: stack.harm.taken(place), 90)
        os.kill(stack.pid("api"), signal.SIGKILL)
        seen.hurt()
        assert answered(stack, "GET", f"/v1/sweeps/{sweep_id}").status_code == 200
        seen.well()
    stack.same(sweep_id, undisturbed_short)
    assert holds.artefacts(stack.rows, sweep_id) == undisturbed_short
    seen.held()
