"""A whole sweep in one process and one folder, without service; start it again and it goes on."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from models.arms import Arm, normalise
from models.backbone import Backbone
from models.findings import Measure
from models.pack import Manifest, Pack
from models.spec import Numerics, Recipe, RunSpec
from models.sweep import Outcome, next_allowed, skipped
from models.task import Task
from models.tuning import results
from models.tuning.checkpoint import Epoch
from models.tuning.errors import BadDataError, TuningError
from models.tuning.finish.completing import Finished, FinishedRun, Room, finish
from models.tuning.fit import fit
from models.tuning.patches.cutting import prepare
from models.tuning.room import Tick, quiet
from models.tuning.run import Settings
from models.tuning.spec import spec_of

Tell = Callable[[str, Epoch | str], None]  # (arm, an epoch or how it ended)


def unheard(arm: str, news: Epoch | str) -> None:
    """Told to nobody."""


@dataclass(frozen=True)
class Plan:
    """What to sweep, and where: `folder` keeps runs, caches and the model."""

    pack: Path
    task: Task
    backbone: Backbone
    weights: Path | None
    init: str
    arms: str | Sequence[str]
    policy: str
    recipe: Recipe
    numerics: Numerics
    folder: Path
    seeds: tuple[int, ...] = (0,)
    cache_max_bytes: int = 20 * 2**30


@dataclass
class _Run:
    spec: RunSpec
    outcome: Outcome
    folder: Path
    measures: list[Measure] = field(default_factory=list)


def tune(plan: Plan, tell: Tell = unheard, tick: Tick = quiet) -> Finished:
    """Runs what the policy allows until nothing is left, then finishes. A diverged arm fails
    alone; a run that was ended before is not trained again.
    """
    with Pack.open(plan.pack) as opened:
        manifest = opened.manifest
    runs = _runs(plan, manifest)
    while True:
        outcomes = [run.outcome for run in runs.values()]
        for run_id, reason in skipped(plan.policy, outcomes):
            _end(runs[run_id], "skipped")
            tell(runs[run_id].outcome.arm, reason)
        waiting = next_allowed(plan.policy, [run.outcome for run in runs.values()])
        if not waiting:
            break
        _train(plan, runs[waiting[0]], tell, tick)
    return _finish(plan, runs, tick)


def _runs(plan: Plan, manifest: Manifest) -> dict[str, _Run]:
    found = {}
    for arm in _arms(plan):
        for seed in plan.seeds:
            spec = spec_of(
                manifest, plan.task, plan.backbone, arm.name, plan.recipe,
                numerics=plan.numerics, seed=seed, init=plan.init,
            )  # fmt: skip
            run_id = f"{arm.name.replace(':', '-')}-seed-{seed}-{spec.digest[:12]}"
            outcome = Outcome(run_id, arm.depth, arm.scratch, seed, 1.0, "queued")
            found[run_id] = _Run(spec, outcome, plan.folder / "runs" / run_id)
    return found


def _arms(plan: Plan) -> tuple[Arm, ...]:
    return normalise(plan.arms, len(plan.backbone.row(plan.task.output)))


def _end(run: _Run, state: str, headline: float | None = None) -> None:
    old = run.outcome
    run.outcome = Outcome(old.id, old.depth, old.scratch, old.seed, old.fraction, state, headline)


def _train(plan: Plan, run: _Run, tell: Tell, tick: Tick) -> None:
    if results.read(run.folder) is None:
        try:
            _fit(plan, run, tell, tick)
        except TuningError as error:
            _end(run, "failed")
            tell(run.outcome.arm, f"{error.code}: {error}")
            return
    result = results.read(run.folder)
    if result is None:
        raise RuntimeError(f"run {run.outcome.id} ended without a result")
    run.measures = results.read_measures(run.folder)
    _end(run, "succeeded", result.validation[plan.task.headline])
    tell(run.outcome.arm, result.stop_reason)


def _fit(plan: Plan, run: _Run, tell: Tell, tick: Tick) -> None:
    patches = prepare(
        plan.pack, plan.task, plan.backbone, plan.recipe,
        workdir=plan.folder / "cache", cache_max_bytes=plan.cache_max_bytes, tick=tick,
    )  # fmt: skip
    depths = tuple(arm.depth for arm in _arms(plan))
    settings = Settings(plan.folder / "cache" / "prefix", plan.cache_max_bytes, depths)
    checkpoint = run.folder / "checkpoint.safetensors"

    def once(kept: Path | None) -> None:
        epochs = fit(
            run.spec, patches, weights=plan.weights, folder=run.folder, checkpoint=kept,
            settings=settings, tick=tick,
        )  # fmt: skip
        for epoch in epochs:
            tell(run.outcome.arm, epoch)

    once(checkpoint if checkpoint.is_file() else None)
    with suppress(FileNotFoundError):
        checkpoint.unlink()


def _finish(plan: Plan, runs: dict[str, _Run], tick: Tick) -> Finished:
    if not any(run.measures for run in runs.values()):
        raise BadDataError("no run of the sweep succeeded")
    out = plan.folder / "model"

    def fetch(run_id: str) -> FinishedRun:
        folder = runs[run_id].folder
        result = results.read(folder)
        if result is None:
            raise RuntimeError(f"run {run_id} has no result")
        return FinishedRun(runs[run_id].spec, folder / "weights.safetensors", result)

    made = finish(
        plan.pack, plan.task, [run.outcome for run in runs.values()],
        {run_id: run.measures for run_id, run in runs.items() if run.measures}, fetch,
        Room(out, plan.folder / "cache", plan.cache_max_bytes), tick=tick,
    )  # fmt: skip
    shutil.copyfile(made.files["weights.safetensors"], out / "weights.safetensors")
    return made
