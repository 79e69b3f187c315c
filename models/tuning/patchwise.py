"""The paper's way to intima-media lines (1.5), on any data set of the task, to compare with maps.

    python -m models.tuning.patchwise pack.zip --out runs/patches --arms depth:7 scratch \
        --against runs/maps/model

trains a class network on patches about single pixels by the same loop, plans and recipes as every
other run, sweeps it over each test image's far wall, and prints one table with any models made the
other way, measured on the same images. It is no task of its own and serves nothing: a frame costs
thousands of passes through the network, not two.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import nn

from models import stats
from models.backbone import Backbone
from models.case import Case, CaseFiles
from models.discovery import backbones, tasks
from models.findings import Labels, Measure
from models.imaging.wall import patchwise
from models.imaging.wall.locating import locate
from models.metrics import boundaries
from models.pack import Manifest, Pack
from models.spec import PRESETS, Recipe, RunSpec, recipe
from models.tuning import device
from models.tuning.errors import BadDataError
from models.tuning.finish.evaluate import evaluate, logits_of, network_of
from models.tuning.fit import fit
from models.tuning.losses import scores_of
from models.tuning.patches.sets import PatchSet, Row
from models.tuning.pretrained import ready
from models.tuning.spec import spec_in, spec_of

EACH = 16  # patches of a class in an image: neighbours on a line show the same
STEP = 8  # columns from one that is swept to the next
SHOWN = (
    "agreement", "success_rate", "traced", "lumen_intima_um", "media_adventitia_um",
    "lumen_intima_px", "media_adventitia_px", "imt_bias_um",
)  # fmt: skip
LABELS = Labels(patchwise.CLASSES)


@dataclass(frozen=True)
class Plan:
    """What to train and where; `weights` are those to start from."""

    pack: Path
    backbone: Backbone
    weights: Path | None
    recipe: Recipe
    folder: Path
    each: int = EACH
    step: int = STEP
    seed: int = 0


@dataclass(frozen=True)
class Way:
    """One way measured: its cases, and the seconds that a frame took (None where not timed)."""

    name: str
    measures: list[Measure]
    frame_s: float | None = None


def train(plan: Plan, arm: str) -> tuple[RunSpec, Path]:
    """The spec and the weights of one arm; a run that has ended is not trained again."""
    with Pack.open(plan.pack) as opened:
        spec = _spec(opened.manifest, plan, arm)
        folder = plan.folder / f"{arm.replace(':', '-')}-{spec.digest[:12]}"
        if not (folder / "result.json").is_file():
            patches = cut(opened, plan)
            for done in fit(spec, patches, weights=plan.weights, folder=folder):
                told = f"{arm:<9} {done.epoch}/{done.epochs} loss {done.loss:.4f}"
                Console(stderr=True).print(told)
    return spec, folder / "weights.safetensors"


def _spec(manifest: Manifest, plan: Plan, arm: str) -> RunSpec:
    """As of a data set of three classes of images, which is what the patches are."""
    task = tasks()["classification"]
    found = spec_of(
        manifest, task, plan.backbone, arm, plan.recipe, numerics=device.best(), seed=plan.seed
    )
    digest = hashlib.sha256(f"{manifest.digest}/{plan.each}".encode()).hexdigest()
    return replace(found, data_digest=digest, classes=LABELS.names, positive=None)


def cut(opened: Pack, plan: Plan) -> PatchSet:
    """`each` patches of every class of every image that has lines, one view of each."""
    parts = [_part(opened, part, plan) for part in ("train", "validation")]
    (train, train_rows), (validation, rows) = parts
    return PatchSet(
        opened.manifest.digest, LABELS, train[:, None], validation, train_rows, rows,
        np.arange(len(train)),
    )  # fmt: skip


def _part(opened: Pack, part: str, plan: Plan) -> tuple[NDArray[np.uint8], tuple[Row, ...]]:
    """Patches [n, size, size, 3] of a part in a file of the folder, and their rows."""
    cases = [case for case in map(_read, opened.cases(part)) if case.lines is not None]
    if not cases:
        raise BadDataError(f"no {part} cases with lines in data set {opened.manifest.digest[:12]}")
    size, count = plan.backbone.input_size, plan.each * len(LABELS.names)
    plan.folder.mkdir(parents=True, exist_ok=True)
    shape = (len(cases) * count, size, size, 3)
    held = np.memmap(plan.folder / f"{part}.u8", np.uint8, "w+", shape=shape)
    rows: list[Row] = []
    for k, case in enumerate(cases):
        rng = device.generator("patchwise", case.case_id)
        if case.lines is not None:
            places, classes = patchwise.centres(case.lines, plan.each, rng)
            held[k * count : (k + 1) * count] = patchwise.patches(case.pixels, places, size)
            rows += [
                Row(f"{case.case_id}_{n}", case.subject, int(truth), 1)
                for n, truth in enumerate(classes)
            ]
    return held, tuple(rows)


def _read(files: CaseFiles) -> Case:
    return tasks()["intima_media"].read(files)


def measured(plan: Plan, spec: RunSpec, weights: Path, split: str) -> Way:
    """Every frame of a part swept and traced."""
    network = network_of(spec, weights)
    with Pack.open(plan.pack) as opened:
        started = time.perf_counter()
        found = [
            _swept(network, plan, _read(files), files.case_id) for files in opened.cases(split)
        ]
    if not found:
        raise BadDataError(f"the data set has no {split} part")
    return Way(f"patches, {spec.arm}", found, (time.perf_counter() - started) / len(found))


def _swept(network: nn.Sequential, plan: Plan, case: Case, name: str) -> Measure:
    """One frame: the wall is located as for the other way, then every pixel about it is asked."""
    if case.lines is None:
        raise BadDataError(f"case {name} has no lines; it cannot be measured")
    nothing = np.empty((0, 2))
    walls = locate(case.pixels, paths=1)
    if not walls:
        return boundaries.measured(case, case.lines, (nothing, nothing))
    asked = patchwise.sweep(walls[0], len(case.pixels), plan.step)
    size = plan.backbone.input_size
    scores = [
        scores_of(logits_of(network, plan.backbone, patchwise.patches(case.pixels, part, size)))
        for part in np.array_split(asked.centres, max(1, len(asked.centres) // 256))
    ]
    x, upper, lower = patchwise.traced(asked, np.concatenate([part.numpy() for part in scores]))
    lines = (np.column_stack([x, upper]), np.column_stack([x, lower]))
    return boundaries.measured(case, case.lines, lines)


def by_maps(model: Path, pack: Path, split: str) -> Way:
    """A finished model of the task, on the same images; `model` is its folder."""
    card = json.loads((model / "card.json").read_text())
    weights = model / "weights.safetensors"
    divisor = card["calibration"]["temperature"]
    found = evaluate(
        spec_in(weights), weights, pack, tasks()["intima_media"], split=split, temperature=divisor
    )
    return Way(f"maps, {card['arm']}", found)


def table(ways: Sequence[Way]) -> Table:
    """A row for each way: every value with its 95 % interval, by subject."""
    shown = Table("way", "cases", *SHOWN, "frame_s")
    every = stats.every(tasks()["intima_media"], Labels(tasks()["intima_media"].classes))
    for way in ways:
        values = stats.intervals(way.measures, every)
        cells = [_cell(values[name]) for name in SHOWN]
        frame_s = "" if way.frame_s is None else f"{way.frame_s:.1f}"
        shown.add_row(way.name, str(len(way.measures)), *cells, frame_s)
    return shown


def _cell(found: stats.Interval) -> str:
    if found.value is None:
        return ""
    bounds = "" if found.low is None else f"\n{found.low:.3g} to {found.high:.3g}"
    return f"{found.value:.3g}{bounds}"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.tuning.patchwise")
    parser.add_argument("pack", type=Path, help="pack.zip of an intima_media data set")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs")
    parser.add_argument("--arms", nargs="+", default=["depth:7"])
    parser.add_argument("--backbone", default="efficientnet_lite0", choices=sorted(backbones()))
    parser.add_argument("--preset", default="modern", choices=sorted(PRESETS))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--each", type=int, default=EACH, help="patches per class and image")
    parser.add_argument("--step", type=int, default=STEP, help="columns from one swept to the next")
    parser.add_argument("--split", default="test", choices=("validation", "test"))
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--against", type=Path, nargs="*", default=[], help="folders of map models")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    given = arguments().parse_args(argv)
    backbone = backbones()[given.backbone]
    start = None
    if given.arms != ["scratch"]:
        start = ready(backbone, given.weights, given.out / "weights")
    chosen = recipe(given.preset, "classes", epochs=given.epochs, variants=1, stratify=False)
    plan = Plan(given.pack, backbone, start, chosen, given.out, given.each, given.step)
    ways = [by_maps(model, given.pack, given.split) for model in given.against]
    for arm in given.arms:
        ways.append(measured(plan, *train(plan, arm), given.split))
    Console(width=200).print(table(ways))
    told = tasks()["intima_media"]
    for way in ways:
        values = told.score(way.measures, Labels(told.classes)).values
        sys.stdout.write(json.dumps({"way": way.name, "frame_s": way.frame_s, **values}) + "\n")


if __name__ == "__main__":
    main()
