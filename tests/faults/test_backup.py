"""A backup taken while a sweep runs, restored into an empty stack: the same answers.

The commands are those of docs/promises.md, read from there.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from models.discovery import tasks
from tests.faults import holds
from tests.faults.embedded import SHORT, Stack
from tests.faults.scenario import Scenario, Seen, told

PROMISES = Path(__file__).parents[2] / "docs" / "promises.md"
RESTORED = (
    "restored into an empty stack: data set, models and deployment answer the same; the sweep that "
    "ran goes on to the same digests"
)


def commands(title: str, **places: Path) -> str:
    """The shell commands that the page gives under a title, for these folders."""
    found = re.search(rf"#+ {title}\n.*?```sh\n(.*?)```", PROMISES.read_text(), re.DOTALL)
    assert found, f"docs/promises.md has no commands under {title!r}"
    text = found[1]
    for name, place in places.items():
        text = text.replace(f"${name}", str(place))
    return text


def run(script: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["bash", "-euc", script], check=True, env={**os.environ, "PATH": path})


def prediction(stack: Stack) -> Any:
    phantom = tasks()["classification"].phantom(np.random.default_rng(5), 0)
    name, image = next((n, d) for n, d in phantom.files.items() if n.endswith((".png", ".jpg")))
    answer = stack.client.post(
        "/v1/predictions/classification", files={"file": (Path(name).name, image)}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["finding"]


@told(Scenario("back up (SQLite and folder)", "the middle of a sweep", RESTORED))
def test_a_backup_of_a_running_stack_restores_to_the_same_answers(
    stack: Stack, undisturbed_short: dict[str, Any], tmp_path: Path, seen: Seen
) -> None:
    model_id = stack.ended(stack.sweep(**SHORT))["recommendation"]["model_id"]
    deployed = stack.client.put("/v1/deployments/classification", json={"model_id": model_id})
    assert deployed.status_code == 200, deployed.text
    before = prediction(stack)
    stack.harm.arm("after Training.record.write", "sleep", seconds=2)
    sweep_id = stack.sweep(**SHORT)
    stack.until(lambda: stack.harm.taken("after Training.record.write"), 90)
    run(commands("Back up one machine", VAR=stack.var, BACKUP=tmp_path / "backup"))
    stack.same(sweep_id, undisturbed_short)

    other = Stack(tmp_path / "other" / "var")
    run(commands("Restore one machine", VAR=other.var, BACKUP=tmp_path / "backup"))
    seen.hurt()
    other.start()
    try:
        seen.well()
        assert prediction(other) == before
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
