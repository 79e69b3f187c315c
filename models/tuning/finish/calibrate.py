"""Calibration on validation at its true prevalence: of a class's scores, of a map's pixels."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.backbone import Backbone
from models.case import UNKNOWN
from models.findings import Labels, Measure
from models.metrics import calibration
from models.metrics.classes import arrays
from models.task import Task
from models.tuning.device import generator
from models.tuning.finish.evaluate import validation_logits
from models.tuning.losses import scores_of
from models.tuning.patches.sets import PatchSet
from models.tuning.room import Tick, quiet

PIXELS = 400  # drawn from each map: neighbours say the same, and a case must not outweigh another


@dataclass(frozen=True)
class Calibrated:
    """The divisor of the logits, labels with the task's own calibration, and what both give."""

    temperature: float
    labels: Labels
    measures: list[Measure]
    record: dict[str, Any]


def calibrate(
    network: nn.Sequential, backbone: Backbone, patches: PatchSet, task: Task, tick: Tick = quiet
) -> Calibrated:
    """One temperature for all logits (Guo 2017), or the task's own calibration of candidates."""
    if task.output == "map":
        return _of_maps(network, backbone, patches, task, tick)
    parts = validation_logits(network, backbone, patches, tick)
    logits = torch.cat([found for _, _, found in parts]).double()
    if task.volumes:
        return _of_candidates(logits, patches, task)
    if task.placed:
        return _of_places(logits, patches, task)
    rows = patches.validation_rows
    case = np.repeat(np.arange(len(rows)), [row.patches for row in rows])
    truth = np.array([row.truth for row in rows], dtype=np.int64)
    temperature = calibration.temperature(logits.numpy(), truth, case)
    found: dict[str, dict[str, float]] = {}
    for name, divisor in (("before", 1.0), ("after", temperature)):
        outputs = torch.softmax(logits / divisor, dim=1).float().numpy()
        cases = patches.measures(rows, outputs, task, patches.labels)
        found[name] = _faults(*arrays(cases))
    record = {"method": "temperature", "temperature": temperature, "cases": len(rows), **found}
    return Calibrated(temperature, patches.labels, cases, record)


def _of_candidates(logits: torch.Tensor, patches: PatchSet, task: Task) -> Calibrated:
    """Candidates of volumes, at their true prevalence: training shows as many of either class."""
    rows, labels = patches.validation_rows, patches.labels
    outputs = torch.softmax(logits, dim=1).float().numpy()
    raw = patches.measures(rows, outputs, task, labels)
    if task.fit is not None:
        labels = replace(labels, scoring=task.fit(raw))
    found = patches.measures(rows, outputs, task, labels)
    record = {
        "method": "candidates weighed on validation", "temperature": 1.0, "cases": len(rows),
        "candidates": sum(len(case.marks) for case in raw),
        "before": _faults(*_candidates(raw)), "after": _faults(*_candidates(found)),
    }  # fmt: skip
    return Calibrated(1.0, labels, found, record)


def _of_places(logits: torch.Tensor, patches: PatchSet, task: Task) -> Calibrated:
    """Places of an image, of which somebody has said what most of them show."""
    truth = patches.truth(len(patches.train) * patches.variants + np.arange(len(logits)))
    told = truth != UNKNOWN
    divisor = calibration.temperature(logits[told].numpy(), truth[told])
    scores = [torch.softmax(logits / t, dim=1).float().numpy() for t in (1.0, divisor)]
    record = {
        "method": "temperature over places", "temperature": divisor,
        "cases": len(patches.validation_rows), "places": int(told.sum()),
        "before": _faults(truth[told], scores[0][told]),
        "after": _faults(truth[told], scores[1][told]),
    }  # fmt: skip
    rows, labels = patches.validation_rows, patches.labels
    return Calibrated(divisor, labels, patches.measures(rows, scores[1], task, labels), record)


def _candidates(cases: list[Measure]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Whether each candidate lies on a thing [n], and its score and the rest of one [n, 2]."""
    marks = np.concatenate([case.marks[:, :2] for case in cases if len(case.marks)])
    score = marks[:, 0]
    return (marks[:, 1] >= 0).astype(np.int64), np.column_stack([1 - score, score])


def _faults(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> dict[str, float]:
    return {"ece": calibration.ece(truth, scores), "brier": calibration.brier(truth, scores)}


def _of_maps(
    network: nn.Sequential, backbone: Backbone, patches: PatchSet, task: Task, tick: Tick
) -> Calibrated:
    """Pixels drawn evenly from every map settle the temperature; candidates come after it."""
    logits, truth = _pixels(network, backbone, patches, tick)
    temperature = calibration.temperature(logits, truth)
    scores = [
        torch.softmax(torch.from_numpy(logits) / t, dim=1).numpy() for t in (1.0, temperature)
    ]
    record = {
        "method": "temperature over pixels", "temperature": temperature,
        "cases": len(patches.validation_rows), "pixels": len(truth),
        "before": _faults(truth, scores[0]), "after": _faults(truth, scores[1]),
    }  # fmt: skip
    labels = patches.labels
    measures = _measured(network, backbone, patches, task, temperature, labels, tick)
    if task.fit is not None:
        labels = replace(labels, scoring=task.fit(measures))
        measures = _measured(network, backbone, patches, task, temperature, labels, tick)
    return Calibrated(temperature, labels, measures, record)


def _pixels(
    network: nn.Sequential, backbone: Backbone, patches: PatchSet, tick: Tick
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits [n, 1 + classes] and truth [n] of pixels that somebody has said something of."""
    rng = generator("pixels", patches.digest)
    logits: list[NDArray[np.float64]] = []
    truth: list[NDArray[np.int64]] = []
    for _, flat, found in validation_logits(network, backbone, patches, tick):
        for map_, mask in zip(found.numpy(), patches.truth(flat), strict=True):
            known = np.flatnonzero(mask.ravel() != UNKNOWN)
            picked = rng.choice(known, min(PIXELS, len(known)), replace=False)
            logits.append(map_.reshape(len(map_), -1)[:, picked].T.astype(np.float64))
            truth.append(mask.ravel()[picked])
    return np.concatenate(logits), np.concatenate(truth)


def _measured(
    network: nn.Sequential, backbone: Backbone, patches: PatchSet, task: Task,
    temperature: float, labels: Labels, tick: Tick,
) -> list[Measure]:  # fmt: skip
    found: list[Measure] = []
    for rows, _, logits in validation_logits(network, backbone, patches, tick):
        found += patches.measures(rows, scores_of(logits, temperature).numpy(), task, labels)
    return found
