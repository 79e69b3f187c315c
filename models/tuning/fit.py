"""The training loop: one arm of a sweep, an epoch at a time, resumable after each."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.shortage import out_of_memory
from models.spec import RunSpec
from models.tuning import checkpoint as checkpoints
from models.tuning.checkpoint import Epoch
from models.tuning.device import derive, generator, precision
from models.tuning.errors import BadDataError, DivergedError, OutOfMemoryError
from models.tuning.losses import loss_of
from models.tuning.patches.sets import PatchSet
from models.tuning.room import Tick, quiet
from models.tuning.run import UNCACHED, Run, Settings, begin, conclude
from models.tuning.schedule import set_rates

Stop = Callable[[], bool]


def fit(
    spec: RunSpec, patches: PatchSet, *, weights: Path | None, folder: Path,
    checkpoint: Path | None = None, settings: Settings = UNCACHED,
    tick: Tick = quiet, stop: Stop = lambda: False,
) -> Iterator[Epoch]:  # fmt: skip
    """Trains one arm, yielding after each epoch; `folder` then holds checkpoint.safetensors.

    weights     safetensors to start from (`pretrained.ready`, or a model's); unused by scratch
    checkpoint  of the same spec, to go on from; the end is the same, bit for bit on a CPU
    stop        asked before every step; when true the generator ends and the checkpoint stands

    After the last epoch `folder` holds weights.safetensors, measures.json and result.json
    (`results.read`); the weights are those of the best epoch on validation.
    """
    run = begin(spec, patches, weights, folder, checkpoint, settings, tick)
    while run.unfinished():
        epoch, started = len(run.progress.epochs), time.perf_counter()
        torch.manual_seed(derive(spec.seed, "epoch", epoch))
        loss = train_epoch(run, epoch, tick, stop)
        if loss is None:
            return
        values, rank = run.validate(tick)
        best = run.keep_best(rank)
        seconds = time.perf_counter() - started
        rate = max(group["lr"] for group in run.optimiser.param_groups)
        done = Epoch(epoch + 1, spec.recipe.epochs, loss, values, rate, seconds, best)
        run.progress.epochs.append(asdict(done))
        checkpoints.write(
            folder / "checkpoint.safetensors", run.tuned, run.optimiser, run.best, run.progress
        )
        yield done
    conclude(run, tick)


def train_epoch(run: Run, epoch: int, tick: Tick, stop: Stop) -> float | None:
    """One epoch of steps; the mean loss, or None when asked to stop."""
    batches = epoch_views(run.patches, run.spec, epoch)
    losses: list[float] = []
    run.tuned.train()
    for index, batch in enumerate(batches):
        if stop():
            return None
        set_rates(run.optimiser, run.spec.recipe, epoch * len(batches) + index, len(batches))
        loss = _step_in_memory(run, batch)
        if not np.isfinite(loss):
            raise DivergedError(f"loss {loss} in epoch {epoch + 1}: try a lower learning rate")
        losses.append(loss * len(batch))
        tick("training", epoch * len(batches) + index + 1, run.spec.recipe.epochs * len(batches))
    return sum(losses) / sum(len(batch) for batch in batches)


def epoch_views(patches: PatchSet, spec: RunSpec, epoch: int) -> list[NDArray[np.int64]]:
    """Flat indices of the views of one epoch, in batches: of each patch one variant (of a small set
    several), others in the next epoch; of candidates, drawn evenly, all that show a thing.
    """
    rng = generator(spec.seed, "order", epoch)
    if spec.recipe.stratify and patches.of_candidates:
        views = rng.permutation(even_views(patches, rng))
    else:
        rows = epoch_rows(patches, spec, rng)
        passes = spec.recipe.passes(len(rows))
        turns = (epoch * passes + np.arange(passes)) % patches.variants
        views = np.concatenate([rng.permutation(rows) * patches.variants + turn for turn in turns])
    return batched(views, max(2, spec.recipe.batch_size))


def even_views(patches: PatchSet, rng: np.random.Generator) -> NDArray[np.int64]:
    """Every variant of every candidate that is a thing, and as many views of others (paper 1.1).

    Things are few and the network must see all that is known of them. Of the others every one is
    seen before any is seen a second time, and then in another variant.
    """
    truth = patches.classes[patches.picked] == patches.labels.positive_index
    things, others = patches.picked[truth], patches.picked[~truth]
    if not len(things):
        raise BadDataError("no training patch is of the positive class: there is nothing to learn")
    variants = patches.variants
    shown = (things[:, None] * variants + np.arange(variants)).ravel()
    first = rng.integers(variants, size=len(others))
    rounds = (first + np.arange(variants)[:, None]) % variants
    against = np.concatenate([rng.permutation(others * variants + turn) for turn in rounds])
    return np.concatenate([shown, against[: max(2, len(shown))]])


def epoch_rows(patches: PatchSet, spec: RunSpec, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of the training patches of one epoch: all, or drawn even by class."""
    rows = patches.picked
    if spec.recipe.stratify:
        rows = stratified(rows, patches.classes[rows], patches.labels.positive_index, rng)
    if len(rows) < 2:
        raise BadDataError(f"{len(rows)} training patch: at least 2 are needed")
    return rows


def batched(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Batches of `size`; a last one of one is merged: norm layers cannot learn from one patch, and
    kernels treat a batch of one differently.
    """
    cuts = list(range(size, len(rows), size))
    if cuts and len(rows) - cuts[-1] == 1:
        cuts.pop()
    return np.split(rows, cuts)


def stratified(
    rows: NDArray[np.int64], truth: NDArray[np.int64], positive: int | None,
    rng: np.random.Generator,
) -> NDArray[np.int64]:  # fmt: skip
    """Positives kept, negatives drawn down to their number (paper 1.1); without a positive class
    every class is drawn down to the rarest. Never below two patches of a class.
    """
    counts = np.bincount(truth, minlength=0 if positive is None else positive + 1)
    if positive is not None and not counts[positive]:
        raise BadDataError("no training patch is of the positive class: there is nothing to learn")
    present = counts[counts > 0].min() if positive is None else counts[positive]
    limit = max(2, int(present))
    kept = [
        found if label == positive or len(found) <= limit else rng.permutation(found)[:limit]
        for label in range(len(counts))
        if len(found := rows[truth == label])
    ]
    return np.sort(np.concatenate(kept))


def _step_in_memory(run: Run, batch: NDArray[np.int64]) -> float:
    """A step; the first that does not fit in memory is done in halves, and so are all after it."""
    try:
        return step(run, batch)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        if run.progress.parts > 1 or len(batch) < 4:
            raise OutOfMemoryError(
                f"a step of {len(batch)} patches does not fit, not even in halves: "
                "use a smaller batch_size"
            ) from error
        run.progress.parts = 2
    if run.device.type == "cuda":  # untested here
        torch.cuda.empty_cache()
    return _step_in_memory(run, batch)


def step(run: Run, batch: NDArray[np.int64]) -> float:
    """One optimiser step on views by flat index, in `parts` with their gradients summed; the mean
    loss.
    """
    patches = run.patches
    run.optimiser.zero_grad(set_to_none=True)
    total = 0.0
    for flat in np.array_split(batch, run.progress.parts):
        state = run.features.at(run.tuned.prefix, flat)
        truth = torch.from_numpy(patches.truth(flat)).to(run.device)
        with precision(run.spec.numerics):
            logits = run.tuned(*state)
        loss = loss_of(logits, truth) * (len(flat) / len(batch))
        torch.autograd.backward(loss)
        total += loss.item()
    run.optimiser.step()
    return total
