"""Does a sweep that is killed again and again end by itself in the same weights? One JSON line.

    python -m benchmarks.killed --data ../shared/data/busi --epochs 10 --kill lane@200 worker@400

Starts the embedded stack in a temporary folder, uploads the folder, sweeps, and sends SIGKILL to
the lane, the tuning worker or the API after so many seconds. Then the arms that needed more than
one attempt are run once more, undisturbed, and the digests of their weights are compared.
"""

import argparse
import io
import json
import os
import signal
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.cli.demo import service

COMMANDS = {"lane": "worker.lane", "worker": "--queues tune", "api": "uvicorn"}


class Stack:
    """The API, asked patiently: it may be the one that was just killed."""

    def __init__(self, url: str, key: str, pid: int) -> None:
        self.pid = pid
        self.http = httpx.Client(
            base_url=url, timeout=120, headers={"Authorization": f"Bearer {key}"}
        )

    def get(self, path: str) -> Any:
        for _ in range(300):
            with suppress(httpx.HTTPError):
                return self.http.get(path).raise_for_status().json()
            time.sleep(0.2)
        raise TimeoutError(path)

    def post(self, path: str, **request: Any) -> Any:
        return self.http.post(path, **request).raise_for_status().json()

    def kill(self, kind: str) -> int:
        """SIGKILL to every process of that kind below `up`; how many there were."""
        found = 0
        for process in psutil.Process(self.pid).children(recursive=True):
            with suppress(psutil.Error):
                if COMMANDS[kind] in " ".join(process.cmdline()):
                    os.kill(process.pid, signal.SIGKILL)
                    found += 1
        return found


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, str(path.relative_to(folder)))
    return buffer.getvalue()


def dataset(stack: Stack, folder: Path, task: str) -> dict[str, Any]:
    made = stack.post(
        "/v1/datasets", data={"task": task, "name": folder.name},
        files={"archive": ("data.zip", zipped(folder))},
    )  # fmt: skip
    while (found := stack.get(f"/v1/datasets/{made['id']}"))["state"] == "checking":
        time.sleep(0.2)
    if found["state"] != "ready":
        raise SystemExit(f"the data set was {found['state']}: {found['problems'][:3]}")
    return dict(found)


def sweep(stack: Stack, request: dict[str, Any], kills: list[tuple[float, str]]) -> dict[str, Any]:
    """Runs a sweep to its end, killing on the way; answers it with `seconds` and `killed`."""
    start, killed = time.monotonic(), []
    path = f"/v1/sweeps/{stack.post('/v1/sweeps', json=request)['id']}"
    while (found := stack.get(path))["state"] in ("queued", "running"):
        elapsed = time.monotonic() - start
        if kills and elapsed > kills[0][0]:
            _, kind = kills.pop(0)
            killed.append({"what": kind, "after_s": round(elapsed), "processes": stack.kill(kind)})
            print(killed[-1], file=sys.stderr)
        time.sleep(1)
    return {**found, "seconds": time.monotonic() - start, "killed": killed}


def attempts(stack: Stack, found: dict[str, Any]) -> dict[str, int]:
    return {run["arm"]: stack.get(f"/v1/runs/{run['id']}")["attempt"] for run in found["runs"]}


def weights(state: Path, found: dict[str, Any], arms: list[str]) -> dict[str, str]:
    """The object names of the final weights, which are their digests, from the database."""
    from sqlalchemy import select  # noqa: PLC0415 - only this reading needs a database

    from app.db.session import reading  # noqa: PLC0415
    from app.db.tables import Run  # noqa: PLC0415

    query = select(Run.arm, Run.weights).where(Run.sweep_id == found["id"], Run.arm.in_(arms))
    with reading(f"sqlite:///{state / 'layertune.db'}") as session:
        return {arm: str(name) for arm, name in session.execute(query)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", default="classification")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--arms", nargs="+", default=["all"])
    parser.add_argument("--kill", nargs="*", default=[], metavar="WHAT@SECONDS")
    given = parser.parse_args()
    kills = sorted((float(at), kind) for kind, at in (text.split("@") for text in given.kill))
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "var"
        with service(state, Path(folder) / "up.log", keep=False) as address:
            stack = Stack(*address)
            data = dataset(stack, given.data, given.task)
            request = {"dataset_id": data["id"], "backbone": given.backbone,
                       "recipe": {"epochs": given.epochs, "batch_size": 32}}  # fmt: skip
            arms = "all" if given.arms == ["all"] else given.arms
            found = sweep(stack, {**request, "arms": arms}, kills)
            tried = attempts(stack, found)
            again = [arm for arm, count in tried.items() if count > 1]
            same = None
            if again:
                calm = sweep(stack, {**request, "arms": again}, [])
                same = weights(state, found, again) == weights(state, calm, again)
    print(json.dumps({
        "benchmark": "killed", "data": given.data.name, "backbone": given.backbone,
        "epochs": given.epochs, "state": found["state"], "seconds": round(found["seconds"], 1),
        "killed": found["killed"], "attempts": tried, "same_weights": same,
        "validation": {run["arm"]: run["validation"] for run in found["runs"]},
        "run_s": {run["arm"]: round(run["seconds"], 1) for run in found["runs"]},
        "recommendation": found["recommendation"],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
