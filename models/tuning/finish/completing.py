"""The last act of a sweep: choose, open the test part once, calibrate, export, write the card."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import card as cards
from models import stats
from models.choice import Choice, choose
from models.discovery import backbones, tasks
from models.findings import Labels, Measure
from models.inference import agree
from models.pack import Pack
from models.spec import RunSpec
from models.sweep import Outcome
from models.task import Task
from models.tuning.finish.calibrate import Calibrated, calibrate
from models.tuning.finish.evaluate import evaluate, network_of
from models.tuning.finish.export import Exported, export
from models.tuning.patches.cutting import prepare
from models.tuning.patches.sets import PatchSet, labels_of
from models.tuning.results import Result
from models.tuning.room import Tick, quiet


@dataclass(frozen=True)
class FinishedRun:
    """A succeeded run with what it left: its spec, its weights and its result."""

    spec: RunSpec
    weights: Path
    result: Result


@dataclass(frozen=True)
class Finished:
    """A model ready to be registered; `folder` holds weights, model.onnx, card.json and measures.

    files         name -> path: weights.safetensors, model.onnx, card.json
    test          calibrated outputs on the test part, None without one
    """

    choice: Choice | None
    run: FinishedRun
    card: dict[str, Any]
    files: dict[str, Path]
    validation: list[Measure]
    test: list[Measure] | None


@dataclass(frozen=True)
class Room:
    """Where a finish may put things: the model's files in `out`, patches in `workdir`."""

    out: Path
    workdir: Path
    cache_max_bytes: int = 20 * 2**30


def finish(
    pack: Path, task: Task, outcomes: Sequence[Outcome],
    measures_by_run: Mapping[str, Sequence[Measure]], fetch: Callable[[str], FinishedRun],
    room: Room, *, test_opened: int = 1, tick: Tick = quiet,
) -> Finished:  # fmt: skip
    """Chooses among the runs of a sweep on validation and completes the chosen one.

    `fetch` brings the files of a run, asked for the chosen one only. `test_opened` counts the
    openings of this data set's test part, this one included.
    Raises models.choice.NothingToChooseError when no depth succeeded.
    """
    with Pack.open(pack) as opened:
        value = stats.headline(task, labels_of(opened.manifest, task))

    def ticked(rows: Sequence[Measure], weights: stats.Floats) -> stats.Floats:
        tick("choosing", 0, 1)
        return value(rows, weights)

    choice = choose(measures_by_run, outcomes, ticked)
    tick("choosing", 1, 1)
    return complete(
        fetch(choice.run_id), pack, room, choice=choice, test_opened=test_opened, tick=tick
    )


def complete(
    run: FinishedRun, pack: Path, room: Room, *,
    choice: Choice | None = None, test_opened: int | None = None, tick: Tick = quiet,
) -> Finished:  # fmt: skip
    """A model of one run: calibrated on validation at its true prevalence, measured on test,
    exported, verified, described. Without `choice`: a run registered by hand; without
    `test_opened` the test part stays shut.
    """
    spec, backbone = run.spec, backbones()[run.spec.backbone]
    task = tasks()[spec.task].by(spec.recipe.preset)
    room.out.mkdir(parents=True, exist_ok=True)
    patches = prepare(
        pack, task, backbone, spec.recipe,
        workdir=room.workdir, cache_max_bytes=room.cache_max_bytes, tick=tick,
    )  # fmt: skip
    network = network_of(spec, run.weights)
    calibrated = calibrate(network, backbone, patches, task, tick)
    labels = calibrated.labels
    test: list[Measure] = []
    if test_opened is not None:
        test = evaluate(
            spec, run.weights, pack, task, temperature=calibrated.temperature,
            scoring=labels.scoring, tick=tick,
        )  # fmt: skip
    tick("exporting", 0, 1)
    exported = export(
        network, backbone, calibrated.temperature, patches.validation, room.out / "model.onnx"
    )
    tick("exporting", 1, 1)
    facts = cards.Facts(
        freeze_proof=run.result.freeze_proof,
        epochs={"best": run.result.best_epoch, "stop_reason": run.result.stop_reason},
        trainable_parameters=run.result.trainable_parameters,
        validation=intervals(calibrated.measures, task, labels, tick),
        test=intervals(test, task, labels, tick) if test else None,
        test_opened=test_opened or 0,
        operating_points=task.operate(calibrated.measures, labels, task.points),
        calibration=calibrated.record,
        digests={"weights.safetensors": _sha256(run.weights), "model.onnx": exported.sha256},
        verification=_verification(exported),
        serving=_serving(exported, task, patches, calibrated, tick),
        comparison=None if choice is None else choice.record(),
    )
    with Pack.open(pack) as opened:
        made = cards.card(spec, task, backbone, opened.manifest, labels, facts)
    made = json.loads(json.dumps(made))  # tuples as lists: what is returned is what is written
    files = _written(made, exported, run, room.out)
    return Finished(choice, run, made, files, calibrated.measures, test or None)


def intervals(
    found: Sequence[Measure], task: Task, labels: Labels, tick: Tick = quiet
) -> dict[str, Any]:
    """Every value of the task with its interval, the headline first."""
    every = stats.ticking(stats.every(task, labels), lambda: tick("measuring", 0, 1))
    values = stats.intervals(found, every)
    first = {task.headline: values.pop(task.headline)}
    return {name: value.record() for name, value in {**first, **values}.items()}


def _serving(
    exported: Exported, task: Task, patches: PatchSet, calibrated: Calibrated, tick: Tick
) -> dict[str, Any]:
    """Whether bfloat16 may answer for float32, measured on the validation part."""
    count, answered = len(patches.validation), 0

    def tell(done: int, total: int) -> None:
        tick("verifying", done, total)

    def of(found: Sequence[Measure]) -> float | None:
        """Of maps the Dice, where there are masks: a FROC moves by steps on few cases."""
        values = task.score(found, calibrated.labels).values
        overlap = values.get("dice")
        return values[task.headline] if overlap is None else overlap

    def classes(outputs: NDArray[np.float32]) -> float | None:
        rows = patches.validation_rows
        return of(patches.measures(rows, outputs, task, calibrated.labels))

    def maps(run: agree.Run) -> float | None:
        nonlocal answered
        found: list[Measure] = []
        for rows, flat in patches.spans(32):
            outputs = run(np.ascontiguousarray(patches.pixels(flat)))
            found += patches.measures(rows, outputs, task, calibrated.labels)
            answered += len(flat)
            tell(answered, 2 * count)
        return of(found)

    if task.output == "map":
        return agree.serving_maps(exported.path, maps, count)
    return agree.serving(exported.path, patches.validation, classes, tell)


def _verification(exported: Exported) -> dict[str, Any]:
    return {"max_difference": exported.max_difference, "patches": exported.patches}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written(
    made: dict[str, Any], exported: Exported, run: FinishedRun, out: Path
) -> dict[str, Path]:
    path = out / "card.json"
    temporary = out / "card.part"
    temporary.write_text(json.dumps(made, indent=1))
    temporary.replace(path)
    return {"weights.safetensors": run.weights, "model.onnx": exported.path, "card.json": path}
