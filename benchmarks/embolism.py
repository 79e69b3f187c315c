"""Pulmonary embolism on phantoms, end to end through the service; one JSON line.

    python -m benchmarks.embolism --patients 24 --unseen 8 --epochs 8 --out DIR

Uploads phantom patients as DICOM with masks, sweeps, deploys what is recommended, and sends new
phantoms of other populations (another contrast, spacing, noise, tree; another hand's altogether,
benchmarks/stranger.py) as zipped series: the sensitivity per embolus at 1 to 5 false positives per
volume, on what the service answers, and at 2 also by the artery's level. Then a volume of
512 x 512 x 300: seconds until it is answered, and the peak memory of the processes that did it.
`--out` gets the plot, the overviews and the model; `--bundle` takes such a folder's model, and
nothing is swept. Synthetic: nothing is said of patients.
"""

import argparse
import io
import json
import os
import tempfile
import threading
import time
import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil

from app.cli.demo import service
from benchmarks import stranger
from benchmarks.killed import Stack, sweep
from benchmarks.service import saved
from models.findings import Labels, Measure
from models.imaging import ctpa_phantom
from models.imaging.ctpa_phantom import Thorax, series
from models.imaging.ctpa_phantom.marks import nifti
from models.imaging.ctpa_phantom.style import StyleName
from models.imaging.vessels.candidates import ON_MM
from models.metrics import froc, froc_volumes

TASK = "pulmonary_embolism"
STRANGER = "stranger"
POPULATIONS = ("other", "usual", "plain", STRANGER)
LABELS = Labels(("other", "embolus"), "embolus")
FIRST = 12  # of the new phantoms; those before it were looked at while forests were chosen
LARGE, LARGE_MM = (300, 512, 512), (1.0, 0.7, 0.7)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def patient(index: int, of_strangers: bool) -> dict[str, bytes]:
    """A patient's files: a DICOM series and its mask; of a stranger both as NIfTI."""
    rng = np.random.default_rng([24, index])
    if not of_strangers:
        return dict(ctpa_phantom.patient(rng, index).files)
    made = stranger.chest(rng, None if index % 4 else 0)
    files = {"ct": made.volume.voxels, "emboli_mask": made.emboli}
    return {f"p{index}/{name}.nii.gz": nifti(made.volume, each) for name, each in files.items()}


def uploaded(stack: Stack, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    path = folder / "patients.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(given.patients):
            for name, content in patient(index, given.strangers).items():
                archive.writestr(name, content)
    with path.open("rb") as file:
        sent = stack.post(
            "/v1/datasets", data={"task": TASK, "name": "phantoms"},
            files={"archive": ("patients.zip", file)},
        )  # fmt: skip
    while (found := stack.get(f"/v1/datasets/{sent['id']}"))["state"] == "checking":
        time.sleep(0.5)
    if found["state"] != "ready":
        raise SystemExit(f"the data set was {found['state']}: {found['problems'][:3]}")
    return dict(found)


def sent(thorax: Thorax, rng: np.random.Generator) -> bytes:
    paper = series.papers(rng, "phantom", len(thorax.volume.voxels))
    return zipped(series.series(rng, thorax.volume, paper, "series"))


def answered(stack: Stack, data: bytes, point: str, picture: Path | None) -> dict[str, Any]:
    made = stack.post(
        f"/v1/predictions/{TASK}", files={"file": ("series.zip", data)},
        data={"operating_point": point},
    )  # fmt: skip
    path = f"/v1/predictions/{made['prediction_id']}"
    while (found := stack.get(f"{path}?wait_s=20"))["state"] in ("queued", "running"):
        pass
    if found["state"] != "succeeded":
        raise SystemExit(f"a volume was not answered: {found}")
    if picture is not None:
        drawn = stack.http.get(f"{path}/overview.png").raise_for_status()
        picture.write_bytes(drawn.content)
    return dict(found)


def measured(number: int, thorax: Thorax, finding: dict[str, Any]) -> Measure:
    """What the service said, held against what was drawn, by the task's own hit rule."""
    marks = [
        (row["score"], hit(thorax, row["centre_voxel"]), *row["centre_voxel"], row["diameter_mm"])
        for row in finding["emboli"]
    ]
    rows = np.array(marks, dtype=np.float64).reshape(len(marks), 6)
    best, count = np.array([finding["score"]]), int(thorax.emboli.max())
    return Measure(f"volume_{number}", f"phantom_{number}", count, best, rows)


def hit(thorax: Thorax, centre: list[float]) -> int:
    spacing, place = np.array(thorax.volume.spacing_mm), np.array(centre)
    reach = np.ceil(ON_MM / spacing).astype(int) + 1
    low = np.maximum(np.floor(place).astype(int) - reach, 0)
    high = np.floor(place).astype(int) + reach + 1
    box = thorax.emboli[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    inside = np.argwhere(box > 0)
    away = np.linalg.norm((inside + low - place) * spacing, axis=1)
    if not len(away) or away.min() > ON_MM:
        return froc.NO_LESION
    return int(box[tuple(inside[away.argmin()])]) - 1


def levels(thorax: Thorax) -> list[str]:
    """Where in the tree of arteries each embolus lies, as far as whoever drew it says so."""
    told = thorax.facts.get("emboli", [{"level": "any"}] * int(thorax.emboli.max()))
    return [str(embolus["level"]) for embolus in told]


def by_level(measures: list[Measure], where: list[list[str]], rate: int = 2) -> dict[str, str]:
    """`found of all` emboli of each level at `rate` false positives per volume."""
    if not any(where):
        return {}
    (point,) = froc_volumes.operating_points(measures, LABELS, [f"fp_per_volume={rate}"])
    least = np.inf if point.threshold is None else point.threshold
    found: Counter[str] = Counter()
    for row, told in zip(measures, where, strict=True):
        hits = {int(mark[1]) for mark in row.marks if mark[0] >= least and mark[1] >= 0}
        found.update(told[embolus] for embolus in hits)
    every = Counter(level for told in where for level in told)
    return {level: f"{found[level]} of {count}" for level, count in every.items()}


def drawn(population: str, number: int) -> tuple[Thorax, np.random.Generator]:
    """A new phantom; every fourth has no embolus."""
    rng = np.random.default_rng([88, len(population), number])
    emboli = None if number % 4 else 0
    if population == STRANGER:
        return stranger.chest(rng, emboli), rng
    return ctpa_phantom.volume(rng, style=cast(StyleName, population), emboli=emboli), rng


def judged(stack: Stack, out: Path, population: str, numbers: range) -> dict[str, Any]:
    """The service's answers for new phantoms of a population."""
    found, candidates, where, reached = [], [], [], 0
    for number in numbers:
        thorax, rng = drawn(population, number)
        picture = out / f"{population}-{number}.png"
        finding = answered(stack, sent(thorax, rng), "all", picture)["finding"]
        row = measured(number, thorax, finding)
        found.append(row)
        where.append(levels(thorax))
        candidates.append(len(row.marks))
        reached += len(set(row.marks[row.marks[:, 1] >= 0, 1])) if len(row.marks) else 0
    emboli = sum(row.truth for row in found)
    return {
        "volumes": len(found), "first": numbers.start,
        "emboli": emboli, "emboli_with_a_candidate": reached,
        "candidates_per_volume": round(float(np.mean(candidates)), 1),
        **froc_volumes.score(found, LABELS).values, "at_2_by_level": by_level(found, where),
    }  # fmt: skip


class Peak(threading.Thread):
    """The most memory that the processes answering a volume held together, sampled; bytes."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.root, self.most, self.over = psutil.Process(pid), 0, False

    def run(self) -> None:
        while not self.over:
            held = 0
            for process in self.root.children(recursive=True):
                with suppress(psutil.Error):
                    words = " ".join(process.cmdline())
                    if "worker.video" in words or "models.imaging.volumes" in words:
                        held += process.memory_full_info().uss
            self.most = max(self.most, held)
            time.sleep(0.05)


def large(stack: Stack, out: Path) -> dict[str, Any]:
    rng = np.random.default_rng(300)
    thorax = ctpa_phantom.volume(rng, shape=LARGE, spacing_mm=LARGE_MM, emboli=4)
    data, peak = sent(thorax, rng), Peak(stack.pid)
    peak.start()
    start = time.monotonic()
    answered(stack, data, "all", out / "large.png")
    seconds, peak.over = time.monotonic() - start, True
    return {"shape": LARGE, "seconds": round(seconds, 1), "peak_mb": round(peak.most / 2**20)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--patients", type=int, default=24)
    parser.add_argument("--unseen", type=int, default=8)
    parser.add_argument("--further", type=int, default=0, help="more of the first population")
    parser.add_argument("--first", type=int, default=FIRST, help="number of the first new phantom")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--arms", nargs="+", default=["depth:2", "depth:5", "depth:8"])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--strangers", action="store_true", help="they are the patients, as NIfTI")
    parser.add_argument("--populations", nargs="+", default=POPULATIONS, choices=POPULATIONS)
    parser.add_argument("--bundle", type=Path, help="another run's OUT: its model, and no sweep")
    parser.add_argument("--no-large", action="store_true", help="leave out 512 x 512 x 300")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "var"
        with service(state, Path(folder) / "up.log", keep=False) as address:
            stack = Stack(*address)
            if given.bundle:
                said = {"bundle": imported(stack, given.bundle)}
            else:
                said = swept(stack, Path(folder), given)
            new = on_new_phantoms(stack, given)
            rest = None if given.no_large else large(stack, given.out)
            facts = {"new_phantoms": new, "large": rest, "cores": os.cpu_count()}
            print(json.dumps({"benchmark": "embolism", **said, **facts}))


def imported(stack: Stack, folder: Path) -> str:
    """Deploys the model that an earlier run of this benchmark saved."""
    names = ("card.json", "model.onnx")
    bundle = zipped({name: (folder / name).read_bytes() for name in names})
    made = stack.post("/v1/models", files={"bundle": ("bundle.zip", bundle)})
    deploy(stack, made["id"])
    return str(made["id"])


def deploy(stack: Stack, model_id: str) -> None:
    sent = stack.http.put(f"/v1/deployments/{TASK}", json={"model_id": model_id})
    sent.raise_for_status()


def swept(stack: Stack, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Uploads patients, sweeps, and deploys what is recommended."""
    data = uploaded(stack, given, folder)
    request = {
        "dataset_id": data["id"], "backbone": given.backbone, "arms": given.arms,
        "recipe": {"epochs": given.epochs},
    }  # fmt: skip
    found = sweep(stack, request, [])
    if found["state"] != "succeeded":
        raise SystemExit(f"the sweep {found['state']}: {[run['failure'] for run in found['runs']]}")
    saved(stack, found, given.out)
    deploy(stack, found["recommendation"]["model_id"])
    return {
        "patients": given.patients, "strangers": given.strangers,
        "splits": data["splits"], "backbone": given.backbone, "epochs": given.epochs,
        "seconds": round(found["seconds"], 1),
        "validation": {run["arm"]: run["validation"] for run in found["runs"]},
        "run_s": {run["arm"]: round(run["seconds"] or 0, 1) for run in found["runs"]},
        "recommendation": found["recommendation"],
    }  # fmt: skip


def on_new_phantoms(stack: Stack, given: argparse.Namespace) -> dict[str, Any]:
    """What the deployed model finds in each population, and in more of the first."""
    numbers = range(given.first, given.first + given.unseen)
    new = {each: judged(stack, given.out, each, numbers) for each in given.populations}
    if given.further:
        numbers = range(numbers.stop, numbers.stop + given.further)
        each = given.populations[0]
        new[f"{each}, further"] = judged(stack, given.out, each, numbers)
    return new


if __name__ == "__main__":
    main()
