"""One run in memory: built from its spec, validated, ended with proof that frozen was frozen."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import measures as measure_files
from models.arms import parse, rates
from models.backbone import Backbone
from models.discovery import backbones, tasks
from models.findings import Measure
from models.spec import RunSpec
from models.task import Task
from models.tuning import checkpoint as checkpoints
from models.tuning.checkpoint import Progress
from models.tuning.device import derive, precision, settle
from models.tuning.errors import WeightsError
from models.tuning.patches import PatchSet, measures
from models.tuning.plan import Tuned, Witness, optimiser
from models.tuning.prefix import Features, Inputs, PrefixCache, advance
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
    truth: NDArray[np.int64]
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

    def outputs(self, tick: Tick) -> NDArray[np.float32]:
        """Logits [m, classes] of all validation patches, in batches of one size (see prefix)."""
        patches = self.patches
        first = len(patches) - len(patches.validation)
        self.tuned.eval()
        found = []
        for flat in _spans(first, len(patches), 256):
            maps = self.features.at(self.tuned.prefix, flat)
            with precision(self.spec.numerics):
                found.append(advance(self.tuned.network[self.tuned.prefix :], maps).float().cpu())
            tick("validating", int(flat[-1]) + 1 - first, len(patches.validation))
        return np.asarray(torch.cat(found).numpy())

    def measures(self, tick: Tick) -> tuple[list[Measure], float]:
        """Validation outputs by case, and the mean loss over patches."""
        logits = torch.from_numpy(self.outputs(tick))
        rows = self.patches.validation_rows
        truth = np.repeat([row.truth for row in rows], [row.patches for row in rows])
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(truth)).item()
        scores = torch.softmax(logits, dim=1).numpy()
        return measures(rows, scores, self.task, self.patches.labels), loss

    def validate(self, tick: Tick) -> tuple[dict[str, float | None], list[float]]:
        """Named values, headline first, and what ranks the epoch: headline, then low loss."""
        found, loss = self.measures(tick)
        values = self.task.score(found, self.patches.labels).values
        headline = values.get(self.task.headline)
        rest = {name: value for name, value in values.items() if name != self.task.headline}
        rank = [-np.inf if headline is None else headline, -loss]
        return {self.task.headline: headline, **rest, "loss": loss}, [float(r) for r in rank]

    def keep_best(self, rank: list[float]) -> bool:
        """Keeps the present weights if no epoch ranked higher so far."""
        if self.progress.best_epoch and rank <= self.progress.best_rank:
            return False
        self.progress.best_epoch = len(self.progress.epochs) + 1
        self.progress.best_rank = rank
        self.best = checkpoints.clone(self.tuned.tensors(frozen=False))
        return True


def _spans(start: int, end: int, size: int) -> list[NDArray[np.int64]]:
    return [np.arange(k, min(k + size, end)) for k in range(start, end, size)]


def build(backbone: Backbone, spec: RunSpec, weights: Path | None) -> nn.Sequential:
    """The network before its first step; the seed alone decides what is random in it."""
    torch.manual_seed(derive(spec.seed, "start"))
    try:
        return backbone.build(len(spec.classes), None if weights is None else str(weights))
    except ValueError as error:
        raise WeightsError(f"weights do not fit {backbone.name}: {error}") from error


def begin(
    spec: RunSpec, patches: PatchSet, weights: Path | None, folder: Path,
    checkpoint: Path | None, settings: Settings, tick: Tick,
) -> Run:  # fmt: skip
    """Builds the run, fills the prefix cache where there is one, and goes back to a checkpoint."""
    device, backbone = settle(spec.numerics), backbones()[spec.backbone]
    arm = parse(spec.arm, len(backbone.layers))
    if weights is None and not arm.scratch:
        raise WeightsError(f"{spec.arm} on {backbone.name} needs weights to start from")
    network = build(backbone, spec, None if arm.scratch else weights)
    network.to(device).to(memory_format=torch.channels_last)
    tuned = Tuned(network, rates(arm, backbone.layers, spec.recipe))
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
        spec, tasks()[spec.task], patches, patches.truth, device, features, tuned, steps,
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
    return Features(
        features.patches, features.inputs, features.network, features.numerics,
        cache.nearest(prefix),
    )  # fmt: skip


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
