"""`./run demo`: the main job from synthetic frames to a deployed answer, then everything off."""

import csv
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import psutil
from rich.rule import Rule

from app.cli import findings, predict, registry, show
from app.cli.client import Api, CliError
from app.cli.datasets import upload, wait
from app.cli.watch import watch
from models.discovery import tasks

TASK = "frame_quality"
VIDEOS = 96
SWEEP = {"backbone": "tiny", "recipe": {"epochs": 5, "batch_size": 32}, "name": "demo"}
READY_S = 60
STOP_S = 25  # `up` promises 20


def write_phantoms(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Synthetic patients of the demo's task in its own upload layout; answers the image files."""
    rng = np.random.default_rng(seed)
    patients = [tasks()[TASK].phantom(rng, index) for index in range(count)]
    written: list[Path] = []
    for patient in patients:
        for name, content in patient.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written.append(path)
    if rows := [row for patient in patients for row in patient.rows]:
        with (folder / "metadata.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
    return written


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends `up` the gentle way; the hard way for it and its children if it does not listen."""
    if process.poll() is not None:
        return
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()


def _await_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """The URL that `up` says it is ready on."""
    until = time.monotonic() + READY_S
    while not (found := re.search(r"^ready (http\S+)", log.read_text(errors="replace"), re.M)):
        if process.poll() is not None or time.monotonic() > until:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise CliError(f"The service did not come up. Its last words, from {log}:\n{last}")
        time.sleep(0.2)
    return found[1]


@contextmanager
def service(state: Path, log: Path, *, keep: bool) -> Iterator[tuple[str, str, int]]:
    """`layertune up` on a free port, its state in `state`; answers URL, admin key and pid."""
    key = f"lt_{secrets.token_urlsafe(24)}"
    # Only this service's own settings: a database or store named in the shell is not the demo's.
    ours = {name: text for name, text in os.environ.items() if not name.startswith("LAYERTUNE_")}
    kept = {name: os.environ[name] for name in ("LAYERTUNE_WEIGHTS",) if name in os.environ}
    environment = ours | kept | {
        "LAYERTUNE_HOST": "127.0.0.1", "LAYERTUNE_PORT": "0", "LAYERTUNE_VAR": str(state),
        "LAYERTUNE_WORKERS": "1", "LAYERTUNE_ADMIN_KEY": key,
    }  # fmt: skip
    command = (sys.executable, "-m", "app.cli.main", "up")
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and command
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    done = False
    try:
        yield _await_ready(process, log), key, process.pid
        done = True
    finally:
        if not (keep and done):
            _stop(process)
            shutil.rmtree(state, ignore_errors=True)


def _terminated(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)  # so that the `finally` above stops the service


def tour(api: Api, data: Path, pictures: Path) -> dict[str, Any]:
    """Upload, sweep, choose, deploy, predict; answers the sweep and where its plot was put."""
    show.out.print(Rule("1  synthetic colonoscopy frames, with known truth", align="left"))
    frames = write_phantoms(data, VIDEOS)
    show.out.print(f"{len(frames)} frames: can each be read, or is it blurred or covered?")
    found = wait(api, upload(api, data, {"task": TASK, "name": "demo frames"})["id"])
    show.dataset(found)
    if found["state"] != "ready":
        raise CliError("The demo's own frames were rejected; that is a fault worth reporting.")
    show.out.print(Rule("2  one run per tuning depth, and one from scratch", align="left"))
    sweep = watch(api, api.post("/v1/sweeps", {"dataset_id": found["id"], **SWEEP})["id"])
    show.out.print(Rule("3  how deep is deep enough?", align="left"))
    show.runs(sweep)
    show.recommendation(sweep)
    if sweep["state"] != "succeeded":
        raise CliError(f"The sweep ended {sweep['state']}; its runs above say why.")
    plot = pictures / "sweep.svg"
    plot.write_bytes(api.send("GET", f"/v1/sweeps/{sweep['id']}/plot.svg").content)
    show.out.print(Rule("4  deployed, and asked about new frames", align="left"))
    model_id = sweep["recommendation"]["model_id"]
    registry.put(api, model_id)
    show.out.print(f"{TASK} is answered by {model_id} from now on.")
    for frame in _unseen(data.parent / "unseen"):
        show.out.print(f"{frame.relative_to(data.parent / 'unseen')}:")
        findings.finding(predict.ask(api, TASK, frame, {}))
        picture = pictures / f"finding-{frame.parent.name}.png"
        predict.save_picture(api, TASK, frame, {}, picture)
    return sweep


def _unseen(folder: Path) -> list[Path]:
    """One new frame of each truth, from patients that the sweep has not met."""
    frames = write_phantoms(folder, 1, seed=1)
    return sorted({frame.parent.name: frame for frame in frames if frame.suffix != ".csv"}.values())


def demo(*, keep: bool = False) -> None:
    """Runs the tour on a service of its own; stops it at the end unless `keep`."""
    started = time.monotonic()
    signal.signal(signal.SIGTERM, _terminated)
    pictures = (Path(os.environ.get("LAYERTUNE_VAR", "var")) / "demo").absolute()
    pictures.mkdir(parents=True, exist_ok=True)
    # Outside the checkout: a unix socket's path may not be longer than some hundred letters.
    state = Path(tempfile.mkdtemp(prefix="layertune-"))
    show.out.print("LayerTune demo. Synthetic images; research use only.")
    with service(state, pictures / "up.log", keep=keep) as (url, key, pid):
        api = Api.connect(url, key)
        with tempfile.TemporaryDirectory() as folder:
            tour(api, Path(folder) / "frames", pictures)
        show.out.print(Rule("where to look", align="left"))
        show.out.print(f"  plot      {pictures / 'sweep.svg'}", soft_wrap=True)
        for picture in sorted(pictures.glob("finding-*.png")):
            show.out.print(f"  picture   {picture}", soft_wrap=True)
        if keep:
            show.out.print(f"  Swagger   {url}/docs  (authorize with the key below)")
            show.out.print(f"  key       {key}", soft_wrap=True)
            show.out.print(f"  state     {state}; `kill {pid}` stops the service")
        else:
            show.out.print("  Swagger   http://127.0.0.1:8000/docs after `./run up`,")
            show.out.print("            or at the end of `./run demo --keep`")
    show.out.print(f"Done in {time.monotonic() - started:.0f} s.")
