"""A trained network on the cases of one part, in the arithmetic that will be served (float32)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.backbone import Backbone
from models.case import Pixels
from models.discovery import backbones
from models.findings import Measure
from models.pack import Pack
from models.spec import RunSpec
from models.task import Task
from models.tuning.device import settle
from models.tuning.patches import PatchSet, Row, labels_of, measures, serving_patches
from models.tuning.prefix import Inputs, advance
from models.tuning.room import Tick, quiet
from models.tuning.run import build

TOGETHER = 64  # cases whose patches are held at once


def network_of(spec: RunSpec, weights: Path) -> nn.Sequential:
    """The network of a finished run, on the spec's device, ready to answer."""
    device = settle(spec.numerics)
    network = build(backbones()[spec.backbone], spec, weights).to(device)
    return network.to(memory_format=torch.channels_last).eval()


def logits_of(
    network: nn.Sequential, backbone: Backbone, pixels: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """[n, classes] of patches [n, size, size, 3]."""
    inputs = Inputs.of(backbone, next(network.parameters()).device)
    parts = [
        advance(network, inputs(np.array(pixels[k : k + TOGETHER]))).cpu()
        for k in range(0, len(pixels), TOGETHER)
    ]
    return np.asarray(torch.cat(parts).double().numpy())


def scores_of(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float32]:
    """Calibrated probabilities, [n, classes]."""
    scores = torch.softmax(torch.from_numpy(logits / temperature), dim=1)
    return np.asarray(scores.float().numpy())


def validation_logits(
    network: nn.Sequential, backbone: Backbone, patches: PatchSet, tick: Tick = quiet
) -> NDArray[np.float64]:
    found = []
    for start in range(0, len(patches.validation), TOGETHER):
        pixels = np.asarray(patches.validation[start : start + TOGETHER])
        found.append(logits_of(network, backbone, pixels))
        tick("calibrating", start + len(pixels), len(patches.validation))
    return np.concatenate(found)


def evaluate(
    spec: RunSpec, weights: Path, pack: Path, task: Task, *, split: str = "test",
    temperature: float = 1.0, tick: Tick = quiet,
) -> list[Measure]:  # fmt: skip
    """One measure per case of a part of the pack; empty when the part has no cases."""
    backbone = backbones()[spec.backbone]
    network = network_of(spec, weights)
    found: list[Measure] = []
    with Pack.open(pack) as opened:
        labels = labels_of(opened.manifest, task)
        cases = opened.cases(split)
        cut = serving_patches(cases, task, backbone.input_size, labels)
        for rows, pixels in _together(cut):
            outputs = scores_of(logits_of(network, backbone, pixels), temperature)
            found += measures(rows, outputs, task, labels)
            tick("evaluating", len(found), len(cases))
    return found


def _together(
    cut: Iterator[tuple[Row, list[Pixels]]],
) -> Iterator[tuple[Sequence[Row], NDArray[np.uint8]]]:
    rows: list[Row] = []
    pixels: list[Pixels] = []
    for row, patches in cut:
        rows.append(row)
        pixels += patches
        if len(rows) == TOGETHER:
            yield rows, np.stack(pixels)
            rows, pixels = [], []
    if rows:
        yield rows, np.stack(pixels)
