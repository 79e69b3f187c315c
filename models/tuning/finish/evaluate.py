"""A trained network on the cases of one part, in the arithmetic that will be served (float32)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.backbone import Backbone
from models.case import NO_PIXELS, Case, Roi
from models.discovery import backbones, tasks
from models.findings import Labels, Measure
from models.pack import Pack
from models.spec import RunSpec
from models.task import Task
from models.tuning.device import settle
from models.tuning.errors import BadDataError
from models.tuning.losses import scores_of
from models.tuning.network import begun
from models.tuning.patches.cutting import served_case
from models.tuning.patches.sets import PatchSet, Row, class_of, labels_of
from models.tuning.prefix.features import Inputs, answer
from models.tuning.room import Tick, quiet

TOGETHER = 64  # patches that are held at once


def network_of(spec: RunSpec, weights: Path) -> nn.Sequential:
    """The network of a finished run, on the spec's device, ready to answer."""
    device = settle(spec.numerics)
    task = tasks()[spec.task].by(spec.recipe.preset)
    network = begun(backbones()[spec.backbone], spec, weights, task.output)
    return network.to(device).to(memory_format=torch.channels_last).eval()


def logits_of(network: nn.Sequential, backbone: Backbone, pixels: NDArray[np.uint8]) -> Tensor:
    """[n, ...] of patches [n, size, size, 3], float32 on the CPU."""
    inputs = Inputs.of(backbone, next(network.parameters()).device)
    parts = [
        answer(network, 0, (inputs(np.array(pixels[k : k + TOGETHER])),)).cpu()
        for k in range(0, len(pixels), TOGETHER)
    ]
    return torch.cat(parts)


def validation_logits(
    network: nn.Sequential, backbone: Backbone, patches: PatchSet, tick: Tick = quiet
) -> Iterator[tuple[Sequence[Row], NDArray[np.int64], Tensor]]:
    """Validation cases some at a time, the flat indices of their patches, and the logits."""
    done = 0
    for rows, flat in patches.spans(TOGETHER):
        yield rows, flat, logits_of(network, backbone, patches.pixels(flat))
        done += len(flat)
        tick("calibrating", done, len(patches.validation))


def evaluate(
    spec: RunSpec, weights: Path, pack: Path, task: Task, *, split: str = "test",
    temperature: float = 1.0, scoring: tuple[float, ...] = (), tick: Tick = quiet,
) -> list[Measure]:  # fmt: skip
    """One measure per case of a part of the pack; empty when the part has no cases.

    `temperature` and `scoring` are the calibration that was found on validation.
    """
    backbone = backbones()[spec.backbone]
    network = network_of(spec, weights)
    found: list[Measure] = []
    with Pack.open(pack) as opened:
        labels = replace(labels_of(opened.manifest, task), scoring=scoring)
        if labels.names != spec.classes:
            raise BadDataError(
                f"the data show {', '.join(labels.names)}; the network tells apart "
                f"{', '.join(spec.classes)}: they cannot be measured against each other"
            )
        cases = opened.cases(split)
        for files in cases if task.output == "classes" and not task.placed else ():
            class_of(files.case_id, files.label, labels)
        cut = (served_case(files, task, backbone.input_size, labels) for files in cases)
        for part in _together(cut):
            pixels = [roi.pixels for _, rois in part for roi in rois]
            scores = np.empty((0, len(labels.names)), np.float32)
            if pixels:
                logits = logits_of(network, backbone, np.stack(pixels))
                scores = scores_of(logits, temperature).numpy()
            found += _measured(part, scores, task, labels)
            tick("evaluating", len(found), len(cases))
    return found


Cut = tuple[Case, list[Roi]]


def _measured(
    part: Sequence[Cut], scores: NDArray[np.float32], task: Task, labels: Labels
) -> list[Measure]:
    ends = np.cumsum([len(rois) for _, rois in part])
    return [
        task.measure(case, [replace(roi, pixels=NO_PIXELS) for roi in rois], outputs, labels)
        for (case, rois), outputs in zip(part, np.split(scores, ends[:-1]), strict=True)
    ]


def _together(cut: Iterator[Cut]) -> Iterator[list[Cut]]:
    """Cases, whole, until their patches are enough for one go."""
    part: list[Cut] = []
    for case, rois in cut:
        blank = np.broadcast_to(np.zeros((), np.uint8), case.pixels.shape)
        bare = replace(case, pixels=blank, volume=None, things=None)
        part.append((bare, rois))  # its patches are all that is needed
        if sum(len(found) for _, found in part) >= TOGETHER:
            yield part
            part = []
    if part:
        yield part
