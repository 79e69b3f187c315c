"""One run in memory: built from its spec, validated, ended with proof that frozen was frozen."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import measures as measure_files
from models.arms import parse, rates
from models.case import UNKNOWN
from models.discovery import backbones, tasks
from models.findings import Measure
from models.spec import RunSpec
from models.task import Task
from models.tuning import checkpoint as checkpoints
from models.tuning.checkpoint import Progress
from models.tuning.depthwise import quickened
from models.tuning.device import precision, settle
from models.tuning.errors import DivergedError, WeightsError
from models.tuning.losses import loss_of, scores_of
from models.tuning.network import begun
from models.tuning.patches.sets import PatchSet, Row
from models.tuning.plan import Tuned, Witness, optimiser
from models.tuning.prefix.cache import PrefixCache
from models.tuning.prefix.features import Features, Inputs, answer
from models.tuning.pretrained import save
from models.tuning.results import Result
from models.tuning.room import Tick


@dataclass(frozen=True)
class Settings:
    """How a run is carried out; none of it changes the weights.

    cache    folder `prefix` in the workdir of `prepare`, shared by all arms; None = compute the
             frozen layers every time
    depths   the depths the sweep will run, so that one pass stores what all need; None = all
    """

    cache: Path | None = None
    cache_max_bytes: int = 20 * 2**30
    depths: tuple[int, ...] | None = None


UNCACHED = Settings()


@dataclass
class Run:
    """A run between `begin` and `conclude`."""

    spec: RunSpec
    task: Task
    patches: PatchSet
    device: torch.device
    features: Features
    tuned: Tuned
    optimiser: torch.optim.Optimizer
    witness: Witness
    progress: Progress
    best: dict[str, Tensor]
    folder: Path

    def unfinished(self) -> bool:
        """Epochs are left, and patience is."""
        done, patience = len(self.progress.epochs), self.spec.recipe.patience
        if patience and done and done - self.progress.best_epoch >= patience:
            return False
        return done < self.spec.recipe.epochs

    def outputs(self, tick: Tick) -> Iterator[tuple[Sequence[Row], NDArray[np.int64], Tensor]]:
        """Validation cases some at a time, the flat indices of their patches, and the logits."""
        patches, done = self.patches, 0
        self.tuned.eval()
        for rows, flat in patches.spans(256 if patches.masks is None else 64):
            state = self.features.at(self.tuned.prefix, flat)
            with precision(self.spec.numerics):
                logits = answer(self.tuned.network, self.tuned.prefix, state).float().cpu()
            yield rows, flat, logits
            done += len(flat)
            tick("validating", done, len(patches.validation))

    def measures(self, tick: Tick) -> tuple[list[Measure], float]:
        """Validation outputs by case, and the mean loss over patches."""
        found: list[Measure] = []
        loss, labels = 0.0, self.patches.labels
        for rows, flat, logits in self.outputs(tick):
            truth = torch.from_numpy(self.patches.truth(flat))
            if (truth != UNKNOWN).any():
                loss += loss_of(logits, truth).item() * len(flat)
            scores = scores_of(logits).numpy()
            found += self.patches.measures(rows, scores, self.task, labels)
        return found, loss / len(self.patches.validation)

    def validate(self, tick: Tick) -> tuple[dict[str, float | None], list[float]]:
        """Named values, headline first, and what ranks the epoch: headline, then low loss.

        Epochs of a map network are ranked by their loss alone, over every pixel of validation: a
        headline of a hundred cases moves by whole lesions from one epoch to the next, and would
        keep an early epoch for one lucky find.
        """
        found, loss = self.measures(tick)
        if not np.isfinite(loss):
            epoch = len(self.progress.epochs) + 1
            raise DivergedError(
                f"validation loss {loss} after epoch {epoch}: try a lower learning rate"
            )
        values = self.task.score(found, self.patches.labels).values
        headline = values.get(self.task.headline)
        rest = {name: value for name, value in values.items() if name != self.task.headline}
        rank = [-np.inf if headline is None else headline, -loss]
        if self.patches.masks is not None:
            rank = [-loss]
        return {self.task.headline: headline, **rest, "loss": loss}, [float(r) for r in rank]

    def keep_best(self, rank: list[float]) -> bool:
        """Keeps the present weights if no epoch ranked higher so far."""
        if self.progress.best_epoch and rank <= self.progress.best_rank:
            return False
        self.progress.best_epoch = len(self.progress.epochs) + 1
        self.progress.best_rank = rank
        self.best = checkpoints.clone(self.tuned.tensors(frozen=False))
        return True


def begin(
    spec: RunSpec, patches: PatchSet, weights: Path | None, folder: Path,
    checkpoint: Path | None, settings: Settings, tick: Tick,
) -> Run:  # fmt: skip
    """Builds the run, fills the prefix cache where there is one, and goes back to a checkpoint."""
    device, backbone = settle(spec.numerics), backbones()[spec.backbone]
    task = tasks()[spec.task].by(spec.recipe.preset)
    row = backbone.row(task.output)
    arm = parse(spec.arm, len(row))
    if weights is None and not arm.scratch:
        raise WeightsError(f"{spec.arm} on {backbone.name} needs weights to start from")
    network = begun(backbone, spec, None if arm.scratch else weights, task.output)
    network = quickened(network.to(device).to(memory_format=torch.channels_last))
    tuned = Tuned(network, rates(arm, row, spec.recipe))
    steps = optimiser(tuned, spec.recipe)
    witness = Witness.of(tuned)
    features = Features(patches, Inputs.of(backbone, device), network, spec.numerics)
    # before a checkpoint is read: the cache is named by the weights all arms start from
    features = cached(features, tuned.prefix, settings, tick)
    progress = Progress(spec.digest, asdict(witness))
    best: dict[str, Tensor] = {}
    if checkpoint is not None:
        progress, best = checkpoints.read(checkpoint, tuned, steps, spec.digest)
        witness = Witness(**progress.witness)
    folder.mkdir(parents=True, exist_ok=True)
    return Run(
        spec, task, patches, device, features, tuned, steps,
        witness, progress, best, folder,
    )  # fmt: skip


def cached(features: Features, prefix: int, settings: Settings, tick: Tick) -> Features:
    """The features read from the prefix cache, where a folder is given and layers are frozen."""
    if settings.cache is None or prefix == 0:
        return features
    layers = len(features.network)
    depths: Sequence[int] = settings.depths or range(1, layers + 1)
    cache = PrefixCache(settings.cache, settings.cache_max_bytes, features)
    features.network.eval()  # as frozen layers are; the tuned ones wake in train_epoch
    cache.ensure([prefix, *(layers - depth for depth in depths)], tick)
    return replace(features, maps=cache.stored(prefix))


def conclude(run: Run, tick: Tick) -> None:
    """Proves the freeze, goes back to the best epoch, and writes the run's three files."""
    proof = run.witness.proof(Witness.of(run.tuned))
    now = run.tuned.tensors(frozen=False)
    for name, tensor in run.best.items():
        now[name].copy_(tensor)
    found, _ = run.measures(tick)
    tensors = {name: t.contiguous() for name, t in run.tuned.network.state_dict().items()}
    spec = json.dumps(asdict(run.spec), sort_keys=True)
    save(tensors, {"spec": spec}, run.folder / "weights.safetensors")
    labels = run.patches.labels
    (run.folder / "measures.json").write_bytes(measure_files.save(found, labels))
    epochs = run.progress.epochs
    Result(
        freeze_proof=proof,
        trainable_parameters=sum(p.numel() for p in run.tuned.tuned_parameters().values()),
        seconds=sum(epoch["seconds"] for epoch in epochs),
        stop_reason="early_stopping" if len(epochs) < run.spec.recipe.epochs else "converged",
        best_epoch=run.progress.best_epoch,
        validation=epochs[run.progress.best_epoch - 1]["validation"],
    ).write(run.folder)
