"""What a careful person would write by hand: the plain loop that a sweep is measured against.

It holds decoded images in memory, leaves frozen layers without gradients and in evaluation mode,
uses channels_last, bfloat16 where native, fused AdamW under one cycle, and validates each epoch. It
shares network, weights, split, views, rates and batch size with ours.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.arms import Arm, rates
from models.backbone import Backbone
from models.case import Case
from models.findings import Labels
from models.pack import Manifest, Pack
from models.spec import Numerics, Recipe
from models.task import Task
from models.tuning import device
from models.tuning.fit import batched
from models.tuning.patches.sets import PatchSet
from models.tuning.plan import Tuned, optimiser
from models.tuning.prefix.features import Inputs
from models.tuning.spec import spec_of


@dataclass
class Bench:
    pack: Path
    manifest: Manifest
    task: Task
    backbone: Backbone
    labels: Labels
    weights: Path
    recipe: Recipe
    numerics: Numerics
    folder: Path

    def spec(self, arm: Arm, seed: int):
        return spec_of(
            self.manifest, self.task, self.backbone, arm.name, self.recipe,
            numerics=self.numerics, seed=seed,
        )  # fmt: skip


@dataclass
class Decoded:
    """What the loop holds in memory: training cases, and validation as serving cuts it."""

    train: list[Case]
    truth: np.ndarray
    patches: PatchSet


def decoded(bench: Bench, patches: PatchSet) -> Decoded:
    with Pack.open(bench.pack) as opened:
        cases = [bench.task.read(files) for files in opened.cases("train")]
    truth = np.array([bench.labels.names.index(case.label) for case in cases])
    return Decoded(cases, truth, patches)


def plain_loop(bench: Bench, arm: Arm, seed: int, data: Decoded) -> tuple[float, float]:
    """(seconds, best validation headline) of one arm."""
    start = time.perf_counter()
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    chosen = None if arm.scratch else str(bench.weights)
    network = bench.backbone.build(len(bench.labels.names), chosen)
    network = network.to(memory_format=torch.channels_last)
    tuned = Tuned(network, rates(arm, bench.backbone.layers, bench.recipe))
    steps = optimiser(tuned, bench.recipe)
    inputs = Inputs.of(bench.backbone, torch.device("cpu"))
    epochs, size = bench.recipe.epochs, bench.recipe.batch_size
    per_epoch = len(batched(np.arange(len(data.train)), size))
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        steps,
        max_lr=[group["peak"] for group in steps.param_groups],
        total_steps=epochs * per_epoch,
    )
    best = 0.0
    for _ in range(epochs):
        tuned.train()
        for batch in batched(rng.permutation(len(data.train)), size):
            views = [
                next(iter(bench.task.rois(data.train[k], bench.backbone.input_size, rng)))
                for k in batch
            ]
            maps = inputs(np.stack([view.pixels for view in views]))
            loss = nn.functional.cross_entropy(
                forward(bench, tuned, maps).float(), torch.from_numpy(data.truth[batch])
            )
            steps.zero_grad()
            loss.backward()
            steps.step()
            cycle.step()
        best = max(best, validated(bench, tuned, inputs, data.patches))
    return time.perf_counter() - start, best


def forward(bench: Bench, tuned: Tuned, maps: torch.Tensor) -> torch.Tensor:
    with device.precision(bench.numerics):
        with torch.no_grad():
            for layer in tuned.network[: tuned.prefix]:
                maps = layer(maps)
        return tuned(maps)


def validated(bench: Bench, tuned: Tuned, inputs: Inputs, patches: PatchSet) -> float:
    tuned.eval()
    found = []
    with torch.no_grad():
        for rows in batched(np.arange(len(patches.validation)), 64):
            logits = forward(bench, tuned, inputs(patches.validation[rows]))
            found.append(torch.softmax(logits.float(), 1).numpy())
    rows = patches.measures(
        patches.validation_rows, np.concatenate(found), bench.task, bench.labels
    )
    return bench.task.score(rows, bench.labels).values[bench.task.headline] or 0.0
