"""A backup taken while a sweep runs, restored into an empty stack of its kind: the same answers.

The commands are those of docs/promises.md, read from there.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
import numpy as np

from models.discovery import tasks
from tests.faults import holds
from tests.faults.embedded import SHORT, Stack
from tests.faults.fleet import Fleet
from tests.faults.harm import PATIENCE
from tests.faults.scenario import Scenario, Seen, told
from tests.servers import PROGRAMS
from tests.stack.conftest import Stack as Processes
from tests.stack.conftest import free_port

PROMISES = Path(__file__).parents[2] / "docs" / "promises.md"
RESTORED = (
    "restored into an empty stack: data set, models and deployment answer the same; the sweep that "
    "ran goes on to the same digests"
)

STATE = "SELECT state FROM runs WHERE sweep_id = ?"


def commands(title: str, **places: object) -> str:
    """The shell commands that the page gives under a title, for these folders."""
    found = re.search(rf"#+ {title}\n.*?```sh\n(.*?)```", PROMISES.read_text(), re.DOTALL)
    assert found, f"docs/promises.md has no commands under {title!r}"
    text = found[1]
    for name, place in places.items():
        text = text.replace(f"${name}", str(place))
    return text


def run(script: str, environment: dict[str, str] | None = None) -> None:
    """Runs commands with this environment's programs and PostgreSQL's own before all others."""
    given = {**os.environ, **(environment or {})}
    path = f"{Path(sys.executable).parent}:{PROGRAMS / 'bin'}:{given['PATH']}"
    subprocess.run(["bash", "-euc", script], check=True, env={**given, "PATH": path})


def prediction(client: httpx.Client, task: str) -> Any:
    phantom = tasks()[task].phantom(np.random.default_rng(5), 0)
    name, image = next((n, d) for n, d in phantom.files.items() if n.endswith((".png", ".jpg")))
    answer = client.post(f"/v1/predictions/{task}", files={"file": (Path(name).name, image)})
    assert answer.status_code == 200, answer.text
    return answer.json()["finding"]


def deploy(client: httpx.Client, task: str, model_id: str) -> None:
    answer = client.put(f"/v1/deployments/{task}", json={"model_id": model_id})
    assert answer.status_code == 200, answer.text


@told(Scenario("back up (SQLite and folder)", "the middle of a sweep", RESTORED))
def test_a_backup_of_a_running_stack_restores_to_the_same_answers(
    stack: Stack, undisturbed_short: dict[str, Any], tmp_path: Path, seen: Seen
) -> None:
    model_id = stack.ended(stack.sweep(**SHORT))["recommendation"]["model_id"]
    deploy(stack.client, "classification", model_id)
    before = prediction(stack.client, "classification")
    stack.harm.arm("after Training.record.write", "sleep", seconds=3, keep=True)
    sweep_id = stack.sweep(**SHORT)
    stack.until(lambda: stack.harm.taken("after Training.record.write"), 90)
    run(commands("Back up one machine", VAR=stack.var, BACKUP=tmp_path / "backup"))
    stack.harm.clear()
    stack.same(sweep_id, undisturbed_short)

    other = Stack(tmp_path / "other" / "var")
    run(commands("Restore one machine", VAR=other.var, BACKUP=tmp_path / "backup"))
    assert other.rows(STATE, sweep_id) == [("running",)], "not backed up in the middle"
    seen.hurt()
    other.start()
    try:
        seen.well()
        assert prediction(other.client, "classification") == before
        assert other.get(f"/v1/datasets/{stack.dataset_id}") == stack.get(
            f"/v1/datasets/{stack.dataset_id}"
        )
        assert other.get(f"/v1/models/{model_id}") == stack.get(f"/v1/models/{model_id}")
        assert other.ended(sweep_id)["state"] == "succeeded"
        holds.ended_once(other.rows, sweep_id)
        assert holds.artefacts(other.rows, sweep_id) == undisturbed_short
    finally:
        other.client.close()
        other.stop()
    seen.held()


@contextmanager
def restored(fleet: Fleet, folder: Path, database: str, bucket: str) -> Iterator[Processes]:
    """One API and one worker on another database and another bucket, as on a new machine."""
    environment = fleet.environment | {
        "LAYERTUNE_DATABASE_URL": fleet.postgres.url(database),
        "LAYERTUNE_STORAGE_URL": f"s3://{bucket}/tests", "LAYERTUNE_PORT": str(free_port()),
        "LAYERTUNE_BROKER_URL": f"{fleet.broker.url.removesuffix('/0')}/1",
        "FAULTS": "",
    }  # fmt: skip
    made = Processes(folder, fleet.postgres, environment)
    made.client.timeout = 20 * PATIENCE
    made.start("api", "api")
    made.start("worker", "worker", "--queues", "io,predict,tune")
    try:
        made.until(made.ready, 60 * PATIENCE)
        yield made
    finally:
        made.client.close()
        for process in made.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in made.processes.values():
            process.wait(30 * PATIENCE)


@told(Scenario("back up (PostgreSQL and S3)", "the middle of a sweep", RESTORED))
def test_a_backup_of_a_running_fleet_restores_to_the_same_answers(
    fleet: Fleet, calm_fleet: dict[str, Any], tmp_path: Path, seen: Seen
) -> None:
    model_id = fleet.ended(fleet.sweep())["recommendation"]["model_id"]
    deploy(fleet.client, "frame_quality", model_id)
    before = prediction(fleet.client, "frame_quality")
    fleet.harm.arm("after Training.record.write", "sleep", seconds=6, keep=True)
    sweep_id = fleet.sweep()
    fleet.until(lambda: fleet.harm.taken("after Training.record.write"), 90)
    kept = {"BACKUP": tmp_path / "backup", "STORE": fleet.environment["LAYERTUNE_STORAGE_URL"]}
    run(
        commands("Back up PostgreSQL and S3", DATABASE=libpq(fleet, fleet.database), **kept),
        fleet.environment,
    )
    fleet.harm.clear()
    fleet.same(sweep_id, calm_fleet)

    database, bucket = fleet.postgres.create(), f"restored-{os.getpid()}"
    endpoint = fleet.environment["LAYERTUNE_S3_ENDPOINT_URL"]
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=bucket)
    kept["STORE"] = f"s3://{bucket}/tests"
    run(
        commands("Restore PostgreSQL and S3", DATABASE=libpq(fleet, database), **kept),
        fleet.environment,
    )
    state = fleet.postgres.ask(STATE.replace("?", "%s"), database, sweep_id)
    assert state == [("running",)], "not backed up in the middle"
    seen.hurt()
    with restored(fleet, tmp_path, database, bucket) as other:
        seen.well()
        assert prediction(other.client, "frame_quality") == before
        for path in (f"/v1/datasets/{fleet.dataset_id}", f"/v1/models/{model_id}"):
            assert other.get(path) == fleet.get(path)
        assert other.ended(sweep_id, 150 * PATIENCE)["state"] == "succeeded"

        def rows(query: str, *values: object) -> list[tuple[Any, ...]]:
            return fleet.postgres.ask(query.replace("?", "%s"), database, *values)

        holds.ended_once(rows, sweep_id)
        assert holds.artefacts(rows, sweep_id) == calm_fleet
    seen.held()


def libpq(fleet: Fleet, database: str) -> str:
    """A database as PostgreSQL's own programs name it."""
    return fleet.postgres.url(database).replace("+psycopg", "")
