"""`python -m models`: a whole sweep, its model and its answers, without service or database."""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from models import stats, weights
from models.choice import NothingToChooseError
from models.discovery import backbones, tasks
from models.imaging.frames import decode
from models.imaging.volumes.dicom import read_series
from models.imaging.volumes.opening import open_volume
from models.inference import predict as serving
from models.inference import runtime
from models.inference.volume import examine
from models.ingest import Limits, RejectedError, ingest
from models.pack import MANIFEST, Pack
from models.spec import PRESETS, Recipe, preset_of, recipe
from models.splits import floor_problems
from models.sweep import POLICIES
from models.tuning import device
from models.tuning.checkpoint import Epoch
from models.tuning.compare import compared, table
from models.tuning.errors import BadDataError, TuningError
from models.tuning.finish.completing import Finished
from models.tuning.local import Plan, tune
from models.tuning.pretrained import ready
from models.volume import Volume, VolumeError

WEIGHTS = Path("weights")
console = Console(stderr=True)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("describe", help="tasks, and backbones with their layers")
    drawn = verbs.add_parser("phantom", help="writes a zip of synthetic patients")
    drawn.add_argument("task", choices=sorted(tasks()))
    drawn.add_argument("out", type=Path)
    drawn.add_argument("--count", type=int, default=12, help="patients")
    drawn.add_argument("--seed", type=int, default=0)
    _tune_arguments(verbs.add_parser("tune", help="a whole sweep, from an archive to a model"))
    tested = verbs.add_parser("evaluate", help="a model on a part of a data set")
    tested.add_argument("model", type=Path, help="folder with weights.safetensors and card.json")
    tested.add_argument("data", type=Path, help="archive, folder or pack")
    tested.add_argument("--split", default="test", choices=("train", "validation", "test"))
    beside = verbs.add_parser("compare", help="models of one task side by side, in one table")
    beside.add_argument("data", type=Path, help="archive, folder or pack")
    beside.add_argument("models", type=Path, nargs="+", help="folders as of `evaluate`")
    beside.add_argument("--split", default="test", choices=("train", "validation", "test"))
    asked = verbs.add_parser("predict", help="a model on images or volumes, as it is served")
    asked.add_argument("model", type=Path, help="folder with model.onnx and card.json")
    asked.add_argument(
        "files", type=Path, nargs="+",
        help="images; of a task of volumes zips, NIfTI files or folders of DICOM files",
    )  # fmt: skip
    asked.add_argument("--series-uid", help="which series of a volume's file is meant")
    asked.add_argument("--operating-point", help="a point of the card, a threshold, or `all`")
    return parser


def _tune_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="archive, folder or pack")
    parser.add_argument("--task", required=True, choices=sorted(tasks()))
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and model")
    parser.add_argument("--backbone", default="efficientnet_lite0", choices=sorted(backbones()))
    parser.add_argument("--arms", nargs="+", default=["all"], help="depth:1 ... scratch, or all")
    parser.add_argument("--policy", default="exhaustive", choices=POLICIES)
    parser.add_argument("--preset", default="modern", choices=sorted(PRESETS))
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--head-learning-rate", type=float)
    parser.add_argument("--variants", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--positive", help="the positive class of a binary task")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of weights")
    parser.add_argument("--init", type=Path, help="weights.safetensors of a model to continue from")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")


def describe(_: argparse.Namespace) -> None:
    table = Table("task", "question", "output", "headline", "layouts")
    for task in tasks().values():
        table.add_row(task.name, task.question, task.output, task.headline, " ".join(task.layouts))
    Console().print(table)
    table = Table("backbone", "size", "parameters", "layers, input to output", "weights")
    for backbone in backbones().values():
        there = weights.find(backbone, WEIGHTS) is not None
        known = backbone.weights.source if backbone.weights else "none"
        size, count = str(backbone.input_size), f"{sum(backbone.parameters):,}"
        layers = " ".join(backbone.layers)
        table.add_row(backbone.name, size, count, layers, known if there else f"absent: {known}")
    Console().print(table)


def phantom(given: argparse.Namespace) -> None:
    rng, task = np.random.default_rng(given.seed), tasks()[given.task]
    rows: list[dict[str, str]] = []
    with zipfile.ZipFile(given.out, "w", zipfile.ZIP_STORED) as archive:
        for index in range(given.count):
            patient = task.phantom(rng, index)
            rows += patient.rows
            for name, content in patient.files.items():
                archive.writestr(name, content)
        if rows:
            columns = list(rows[0])
            lines = [columns, *([row[column] for column in columns] for row in rows)]
            archive.writestr("metadata.csv", "\n".join(",".join(line) for line in lines) + "\n")
    console.print(f"{given.count} synthetic patients in {given.out}")


def pack_of(data: Path, task_name: str, out: Path, positive: str | None = None) -> Path:
    """The pack of an archive, a folder or a pack, written below `out` if it is not one yet."""
    if data.is_file() and zipfile.is_zipfile(data):
        with zipfile.ZipFile(data) as archive:
            if MANIFEST in archive.namelist():
                return data
    packed = out / "pack.zip"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        archived = data
        if data.is_dir():
            archived = Path(scratch) / "data.zip"
            with zipfile.ZipFile(archived, "w", zipfile.ZIP_STORED) as archive:
                for path in sorted(data.rglob("*")):
                    archive.write(path, path.relative_to(data).as_posix())
        manifest, _ = ingest(archived, tasks()[task_name], packed, positive=positive)
    for row in (*manifest.problems, *manifest.warnings):
        console.print(f"[yellow]{row['code']}[/] {row.get('file') or ''} {row['detail']}")
    console.print(f"{manifest.layout}: {dict(manifest.counts)}, {dict(manifest.splits)}")
    return packed


def run_tune(given: argparse.Namespace) -> None:
    task, backbone = tasks()[given.task], backbones()[given.backbone]
    pack = pack_of(given.data, given.task, given.out, given.positive)
    with Pack.open(pack) as opened:
        problems = floor_problems(opened.manifest, task.output, volumes=task.volumes)
    problems += task.lacks(given.preset)
    if problems:
        raise BadDataError("; ".join(problems))
    task = task.by(given.preset)
    init, start = "imagenet", None
    if given.init is not None:
        start = given.init
        init = hashlib.sha256(start.read_bytes()).hexdigest()
    elif given.arms != ["scratch"]:
        start = ready(backbone, given.weights, given.out / "cache" / "weights")
    plan = Plan(
        pack=pack, task=task, backbone=backbone, weights=start, init=init,
        arms="all" if given.arms == ["all"] else given.arms, policy=given.policy,
        recipe=_recipe(given), numerics=device.best(given.threads), folder=given.out,
        seeds=tuple(given.seeds),
    )  # fmt: skip
    report(tune(plan, _told), given.out)


def _recipe(given: argparse.Namespace) -> Recipe:
    names = ("epochs", "batch_size", "learning_rate", "head_learning_rate", "variants")
    chosen = {name: getattr(given, name) for name in names}
    task = tasks()[given.task].by(given.preset)
    wanted = {name: value for name, value in chosen.items() if value is not None}
    return recipe(given.preset, task.output, balanced=task.balanced, **wanted)


def _told(arm: str, news: Epoch | str) -> None:
    if isinstance(news, str):
        console.print(f"{arm:<9} {news}")
        return
    shown = "  ".join(f"{k} {v:.3f}" for k, v in news.validation.items() if v is not None)
    best = " *" if news.best else ""
    console.print(f"{arm:<9} {news.epoch:>3}/{news.epochs} loss {news.loss:.4f}  {shown}{best}")


def report(made: Finished, out: Path) -> None:
    """The arms compared, and the recommendation, for a person."""
    if made.choice is not None:
        table = Table("arm", made.card["headline"], "95 % interval", "loss to best", "p")
        for row in made.choice.table:
            p = "" if row.p is None else f"{row.p:.3f}"
            mark = " (chosen)" if row.arm == made.choice.arm else ""
            bounds = "" if row.low is None else f"{row.low:.3f} to {row.high:.3f}"
            table.add_row(row.arm + mark, f"{row.value:.3f}", bounds, f"{row.loss:.3f}", p)
        Console().print(table)
        Console().print(f"recommended: {made.choice.arm}: {made.choice.reason}")
    shown = {"validation": made.card["validation"], "test": made.card["test"]}
    sys.stdout.write(json.dumps(shown, indent=1) + "\n")
    Console().print(f"model in {out / 'model'}; {made.card['intended_use']}")


def run_evaluate(given: argparse.Namespace) -> None:
    card = json.loads((given.model / "card.json").read_text())
    with tempfile.TemporaryDirectory() as scratch:
        pack = pack_of(given.data, card["task"], Path(scratch), card["positive"])
        found = compared(given.model, pack, given.split)
    values = stats.intervals(found.measures, stats.every(found.task, found.labels))
    shown: dict[str, Any] = {name: value.record() for name, value in values.items()}
    told = {"split": given.split, "cases": len(found.measures), **shown}
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


def run_compare(given: argparse.Namespace) -> None:
    cards = [json.loads((model / "card.json").read_text()) for model in given.models]
    kinds = {card["task"] for card in cards}
    if len(kinds) > 1:
        raise BadDataError(f"the models are of {', '.join(sorted(kinds))}: compare those of one")
    with tempfile.TemporaryDirectory() as scratch:
        pack = pack_of(given.data, kinds.pop(), Path(scratch), cards[0]["positive"])
        Console().print(table([compared(model, pack, given.split) for model in given.models]))


def run_predict(given: argparse.Namespace) -> None:
    card = json.loads((given.model / "card.json").read_text())
    task = tasks()[card["task"]].by(preset_of(card))
    for why in task.outgrown(card):
        raise BadDataError(why)
    network = runtime.load(given.model / "model.onnx", card["serving"].get("bf16"))
    point = serving.choose_point(card, given.operating_point)
    for file in given.files:
        if task.volumes:
            volume = _volume_in(file, given.series_uid)
            notes = [f"{code}: {detail}" for code, detail in volume.notes]
            answer = examine(task, network, card, volume, point, lambda *_: None, lambda: None)
        else:
            pixels, codes = decode(file.read_bytes(), Limits().image_max_pixels)
            notes = list(codes)
            answer = serving.predict(task, network, card, pixels, point)
        line = {"file": os.fspath(file), "finding": asdict(answer.finding), "notes": notes}
        sys.stdout.write(json.dumps(line) + "\n")


def _volume_in(path: Path, series_uid: str | None) -> Volume:
    """The volume in a file, or in the DICOM files of a folder."""
    if not path.is_dir():
        return open_volume(path, series_uid)
    names = sorted(os.fspath(file) for file in path.rglob("*") if file.is_file())
    return read_series(names, lambda name: Path(name).read_bytes(), series_uid=series_uid)


VERBS = {
    "describe": describe,
    "phantom": phantom,
    "tune": run_tune,
    "evaluate": run_evaluate,
    "compare": run_compare,
    "predict": run_predict,
}


def main(words: Sequence[str] | None = None) -> int:
    given = arguments().parse_args(words)
    try:
        VERBS[given.verb](given)
    except RejectedError as error:
        for problem in error.problems:
            console.print(f"[red]{problem}[/]")
        return 2
    except (TuningError, NothingToChooseError, serving.PointError, VolumeError, OSError) as error:
        console.print(f"[red]{error}[/]")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
