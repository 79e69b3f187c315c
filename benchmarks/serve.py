"""How much of a bare route's throughput the real service gives: one JSON line.

`python -m benchmarks.serve [--seconds 3] [--rounds 2] [--clients 8]`: the service, a minimal
FastAPI + OpenVINO route and LitServe (torch) answer for the same network and the same image, in
turn, over loopback; beside them the engine without a server.
"""

import argparse
import hashlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from app.auth import mint
from app.db import schema
from app.db.session import writing
from app.db.tables import Deployment, Model
from app.storage import files
from benchmarks.clients import Connection, form, measure, request

CLASSES = ["benign", "malignant", "normal"]
RIVALS = [sys.executable, "-m", "benchmarks.serve_rivals"]
START_S = 120
SINGLE_S = 2.0  # one client alone, for the latency


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def server(command: list[str], port: int, log: Path) -> Iterator[psutil.Process]:
    """A server process on a port of loopback, until the block ends."""
    with log.open("wb") as out:
        # A group of its own: LitServe's workers would outlive their parent.
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait(process, port, log)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            Connection(port).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{' '.join(process.args[-6:])} did not start: {log.read_text()[-2000:]}")


def register(onnx: Path) -> str:
    """A deployed model in an empty database; the secret of a key that may ask it."""
    schema.upgrade()
    sha256 = hashlib.sha256(onnx.read_bytes()).hexdigest()
    name = f"models/{sha256}/model.onnx"
    files().put_file(name, onnx)
    owned: dict[str, Any] = {"workspace": "default", "created_by": "key_benchmark"}
    facts = {"object": name, "sha256": sha256, "bytes": onnx.stat().st_size}
    card = {"classes": CLASSES, "positive": None, "arm": "scratch"}
    with writing() as session:
        model = Model(
            id="mdl_benchmark", task="classification", digest=f"sha256:{sha256}", card=card,
            files={"model.onnx": facts}, **owned,
        )  # fmt: skip
        session.add(model)
        session.flush()
        session.add(
            Deployment(
                name="classification", version=1, task="classification", model_id=model.id, **owned
            )
        )
        return mint(session, "benchmark", "clinician", "default")[1]


def warm_up(port: int, asked: bytes) -> None:
    """The first replies: networks load, caches fill. The server may still be starting."""
    until = time.monotonic() + START_S
    while True:
        connection = Connection(port)
        try:
            for _ in range(3):
                connection.ask(asked)
            return
        except (OSError, RuntimeError):
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
        finally:
            connection.close()


def alone(port: int, asked: bytes) -> float:
    """Median milliseconds of one client with nobody beside it."""
    return measure(port, asked, clients=1, seconds=SINGLE_S).median_ms


def cpu_s(process: psutil.Process) -> float:
    """Seconds of processor that a server and its workers have used so far."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


@dataclass(frozen=True)
class Rival:
    """A server that runs, and what it is asked."""

    process: psutil.Process
    port: int
    asked: bytes


def rounds(
    rivals: dict[str, Rival], engine: list[str], given: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Requests a second and processor milliseconds a request, round by round: interleaved, so
    that a busy machine is fair to all; the second figure hardly feels who else is at work.
    """
    found: dict[str, list[float]] = {name: [] for name in (*rivals, "engine")}
    cpu_ms: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(given.rounds):
        for name, rival in rivals.items():
            before = cpu_s(rival.process)
            got = measure(rival.port, rival.asked, given.clients, given.seconds)
            found[name].append(got.per_s)
            cpu_ms[name].append((cpu_s(rival.process) - before) * 1e3 / len(got.took_ms))
        out = subprocess.run(engine, check=True, capture_output=True, timeout=START_S).stdout
        found["engine"].append(float(json.loads(out.splitlines()[-1])["per_s"]))
    return found, cpu_ms


def run(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    onnx, image = folder / "model.onnx", folder / "frame.jpg"
    subprocess.run([*RIVALS, "network", "--onnx", onnx, "--image", image], check=True)
    secret = register(onnx)
    body = form(image.read_bytes())
    ports = {name: free_port() for name in ("layertune", "minimal", "litserve")}
    api = [sys.executable, "-m", "app.cli.main", "api", "--host", "127.0.0.1", "--port"]
    commands = {
        "layertune": [*api, str(ports["layertune"])],
        "minimal": [*RIVALS, "minimal", "--onnx", str(onnx), "--port", str(ports["minimal"])],
        "litserve": [*RIVALS, "litserve", "--port", str(ports["litserve"])],
    }
    asked = {
        "layertune": request("/v1/predictions/classification", body, secret),
        "minimal": request("/predict", body),
        "litserve": request("/predict", body),
    }
    names = [name for name in commands if name not in given.without]
    with ExitStack() as stack:
        rivals: dict[str, Rival] = {}
        for name in names:
            started = server(commands[name], ports[name], folder / f"{name}.log")
            rivals[name] = Rival(stack.enter_context(started), ports[name], asked[name])
            warm_up(ports[name], asked[name])
        single = {name: alone(ports[name], asked[name]) for name in names}
        engine = [*RIVALS, "engine", "--onnx", str(onnx), "--image", str(image)]
        per_s, cpu_ms = rounds(rivals, [*engine, "--seconds", str(given.seconds)], given)
    ratios = [a / b for a, b in zip(per_s["layertune"], per_s["minimal"], strict=True)]
    return {
        "benchmark": "serve",
        "requests_per_s": {name: round(median(values), 1) for name, values in per_s.items()},
        "alone_median_ms": {name: round(value, 2) for name, value in single.items()},
        "cpu_ms_per_request": {name: round(median(each), 2) for name, each in cpu_ms.items()},
        "ratio_to_minimal": round(median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "clients": given.clients,
        "image_bytes": image.stat().st_size,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--without", nargs="*", default=[], choices=["litserve"])
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers are stopped then, too
    with tempfile.TemporaryDirectory() as name:
        # One key asks for all clients, faster than any one clinic would.
        os.environ |= {"LAYERTUNE_VAR": name, "LAYERTUNE_RATE_PER_S": "1000000"}
        os.environ |= {"LAYERTUNE_LOG_LEVEL": "INFO", "TORCH_CPP_LOG_LEVEL": "ERROR"}
        print(json.dumps(run(given, Path(name))))


if __name__ == "__main__":
    main()
