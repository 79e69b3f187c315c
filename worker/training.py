"""One run in a lane: from its row to weights, every epoch recorded as it ends."""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.db import lifecycle
from app.db.session import reading
from app.db.tables import Dataset, EpochRow, Json, Model, Run, Sweep
from app.settings import settings
from app.storage import files
from models import measures as measure_files
from models import stats
from models.discovery import backbones, tasks
from models.pack import Pack
from models.spec import Numerics, RunSpec, recipe_in
from models.task import Task
from models.tuning import session as tuning
from worker.alive import Lease, patiently
from worker.leftovers import folder_for

log = logging.getLogger(__name__)

STAGE_S = 1.0  # between two events of one stage
SILENT_STAGES = frozenset({"training", "validating"})  # epochs tell of these


class Stages:
    """Ticks of the work: they keep the lease, and tell a sweep's readers of the long stages."""

    def __init__(self, lease: Lease, sweep_id: str, run_id: str | None) -> None:
        self.lease, self.sweep_id, self.run_id = lease, sweep_id, run_id
        self._stage, self._said = "", 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.lease.tick()
        at = time.monotonic()
        if stage in SILENT_STAGES or (stage == self._stage and at - self._said < STAGE_S):
            return
        self._stage, self._said = stage, at
        data: Json = {"stage": stage, "done": done, "total": total}
        patiently(lambda s: lifecycle.emit(s, self.sweep_id, "stage", data, run_id=self.run_id))


def pack_of(dataset: Dataset, lease: Lease) -> Path:
    if dataset.pack is None:
        raise RuntimeError(f"data set {dataset.id} is ready but has no pack")
    return files().local(dataset.pack, lease.tick)


def starting_weights(sweep: Sweep, scratch: bool, lease: Lease) -> tuple[str, Path | None]:
    """What the spec says a run starts from, and the file of it."""
    if scratch:
        return "random", None
    if sweep.init == "imagenet":
        folder = settings().scratch / "weights"
        return "imagenet", tuning.ready(backbones()[sweep.backbone], settings().weights, folder)
    with reading() as session:
        kept = session.get_one(Model, sweep.init).files["weights.safetensors"]
    return str(kept["sha256"]), files().local(str(kept["object"]), lease.tick)


def spec_of(run: Run, sweep: Sweep, pack: Path, init: str) -> RunSpec:
    """The run's identity. A run begun before keeps its numerics where this machine can do them."""
    with Pack.open(pack) as opened:
        manifest = opened.manifest
    numerics = tuning.device.best(settings().threads)
    if run.spec is not None:
        begun = Numerics(**run.spec["numerics"])
        numerics = begun if begun.device in ("cpu", numerics.device) else numerics
    return tuning.spec_of(
        manifest, task_of(sweep), backbones()[sweep.backbone], run.arm, recipe_in(sweep.recipe),
        numerics=numerics, seed=run.seed, fraction=run.fraction, init=init,
    )  # fmt: skip


def task_of(sweep: Sweep) -> Task:
    """The task, as the sweep's recipe does it."""
    return tasks()[sweep.task].by(recipe_in(sweep.recipe).preset)


def spec_from(kept: Json) -> RunSpec:
    """The spec of a run that has begun, from its row."""
    fields = {name: value for name, value in kept.items() if name != "digest"}
    fields["classes"] = tuple(fields["classes"])
    fields["recipe"] = recipe_in(fields["recipe"])
    fields["numerics"] = Numerics(**fields["numerics"])
    return RunSpec(**fields)


def train(run: Run, lease: Lease) -> None:
    """Trains a claimed run to its end; raises whatever stops it before."""
    Training(run, lease).train()


class Training:
    """A claimed run on its way; every write carries its attempt."""

    def __init__(self, run: Run, lease: Lease) -> None:
        with reading() as session:
            self.sweep = session.get_one(Sweep, run.sweep_id)
            self.dataset = session.get_one(Dataset, self.sweep.dataset_id)
            self.depths = tuple(
                sorted({r.depth for r in lifecycle.runs_of(session, run.sweep_id) if not r.scratch})
            )
        self.run, self.lease, self.attempt = run, lease, lease.attempt
        self.checkpoint = run.checkpoint
        self.tick = Stages(lease, run.sweep_id, run.id)
        self.folder = folder_for("runs", lease)

    def train(self) -> None:
        """Trains to the end and ends the row `succeeded`; raises whatever stops it before."""
        self.tick("starting", 0, 1)
        pack = pack_of(self.dataset, self.lease)
        task, backbone = task_of(self.sweep), backbones()[self.sweep.backbone]
        init, weights = starting_weights(self.sweep, self.run.scratch, self.lease)
        spec = spec_of(self.run, self.sweep, pack, init)
        self.adopt(spec)
        patches = tuning.prepare(
            pack, task, backbone, spec.recipe, workdir=settings().scratch,
            cache_max_bytes=settings().cache_max_bytes, seed=self.run.seed,
            fraction=self.run.fraction, tick=self.tick,
        )  # fmt: skip
        try:
            epochs = tuning.fit(
                spec, patches, weights=weights, folder=self.folder, checkpoint=self.resumed_from(),
                settings=tuning.Settings(
                    settings().scratch / "prefix", settings().cache_max_bytes, self.depths
                ),
                tick=self.tick,
            )  # fmt: skip
            for epoch in epochs:
                self.record(epoch)
            self.succeed(patches)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def adopt(self, spec: RunSpec) -> None:
        """Writes the spec down. A checkpoint of another one is of no use: the run begins anew."""
        kept: Json = {**asdict(spec), "digest": spec.digest}
        if self.run.spec is not None and self.run.spec.get("digest") == spec.digest:
            return
        self.checkpoint = None

        def write(session: Session) -> None:
            session.execute(delete(EpochRow).where(EpochRow.run_id == self.run.id))
            lifecycle.write(
                session, Run, self.run.id, self.attempt,
                spec=plain_json(kept), checkpoint=None, epochs_done=0, seconds=0.0,
            )  # fmt: skip

        patiently(write)

    def resumed_from(self) -> Path | None:
        if self.checkpoint is None:
            return None
        try:
            path = files().local(self.checkpoint, self.lease.tick)
        except FileNotFoundError:
            log.warning("%s: its checkpoint is gone; it begins anew", self.run.id)
            return None
        return path if path.is_file() else None

    def record(self, epoch: tuning.Epoch) -> None:
        """Stores the checkpoint, then row, event and pointer in one transaction; the checkpoint
        before it is deleted once nothing points there.
        """
        name = self.store("checkpoint.safetensors", f"checkpoints/{self.run.id}/")
        before, self.checkpoint = self.checkpoint, name
        row = {
            "loss": epoch.loss, "validation": epoch.validation,
            "learning_rate": epoch.learning_rate, "seconds": epoch.seconds, "best": epoch.best,
        }  # fmt: skip
        event = {"arm": self.run.arm, "epoch": epoch.epoch, "epochs": epoch.epochs, **row}

        def write(session: Session) -> None:
            kept = session.get_one(Run, self.run.id)
            if (kept.attempt, kept.checkpoint) == (self.attempt, name):
                return  # it was committed, only the answer got lost
            spent = kept.seconds + epoch.seconds
            lifecycle.checkpointed(
                session, self.run.id, self.attempt, name, epochs_done=epoch.epoch, seconds=spent
            )
            session.merge(EpochRow(run_id=self.run.id, epoch=epoch.epoch, record=row))
            lifecycle.emit(session, self.run.sweep_id, "epoch", event, run_id=self.run.id)

        patiently(write)
        if before not in (None, name):
            files().delete(str(before))
        self.lease.hurry()
        self.lease.tick()

    def store(self, file: str, start: str) -> str:
        return store(self.folder / file, start, self.lease.tick)

    def succeed(self, patches: tuning.PatchSet) -> None:
        result = tuning.results.read(self.folder)
        if result is None:
            raise RuntimeError("the training ended without a result")
        weights = self.store("weights.safetensors", "weights/")
        measures = self.store("measures.json", f"measures/{self.run.id}-")
        rows, labels = measure_files.load((self.folder / "measures.json").read_bytes())
        task = task_of(self.sweep)
        every = stats.ticking(
            stats.every(task, labels), partial(self.tick, "validating", len(patches), len(patches))
        )
        found = stats.intervals(rows, every)

        def write(session: Session) -> None:
            lifecycle.end(
                session, Run, self.run.id, self.attempt, "succeeded",
                stop_reason=result.stop_reason, weights=weights, measures=measures,
                validation=headline_first(task.headline, found), seconds=result.seconds,
                trainable_parameters=result.trainable_parameters,
                freeze_proof=result.freeze_proof, checkpoint=None,
            )  # fmt: skip

        patiently(write)
        for name in list(files().names(f"checkpoints/{self.run.id}/")):
            files().delete(name)


def store(path: Path, start: str, tick: Callable[[], object], end: str = "") -> str:
    """Puts a file under the name of its content; two owners can overwrite nothing."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    name = f"{start}{digest}{end or path.suffix}"
    if not files().exists(name):
        files().put_file(name, path, tick)
    return name


def headline_first(headline: str, found: dict[str, stats.Interval]) -> Json:
    names = [headline, *(name for name in found if name != headline)]
    return {name: found[name].record() for name in names if name in found}


def plain_json(value: Any) -> Any:
    """Tuples as lists, as JSON gives them back."""
    if isinstance(value, dict):
        return {key: plain_json(inner) for key, inner in value.items()}
    return [plain_json(inner) for inner in value] if isinstance(value, tuple | list) else value
