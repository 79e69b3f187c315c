"""The face of this room: what a lane, the command line and a benchmark need to run a sweep.

patches = prepare(pack, task, backbone, recipe, workdir=..., cache_max_bytes=...)
spec = spec_of(manifest, task, backbone, arm, recipe, numerics=device.best(), seed=0)
for epoch in fit(spec, patches, weights=ready(backbone, ...), folder=..., checkpoint=...):
    ...                                 # folder/checkpoint.safetensors may be stored now
results.read(folder)                    # None: stopped before the end
finish(pack, task, outcomes, measures_by_run, fetch, room)
"""

import hashlib
import json

from models.backbone import Backbone
from models.pack import Manifest
from models.spec import Numerics, Recipe, RunSpec
from models.task import Task
from models.tuning import device, results
from models.tuning.checkpoint import Epoch
from models.tuning.evaluate import evaluate
from models.tuning.finish import Finished, FinishedRun, Room, complete, finish
from models.tuning.fit import fit
from models.tuning.patches import PatchSet, labels_of, prepare
from models.tuning.pretrained import ready
from models.tuning.results import Result
from models.tuning.run import Settings

__all__ = [
    "Epoch",
    "Finished",
    "FinishedRun",
    "PatchSet",
    "Result",
    "Room",
    "Settings",
    "complete",
    "device",
    "evaluate",
    "finish",
    "fit",
    "prepare",
    "ready",
    "results",
    "spec_of",
]

IMAGENET = "imagenet"


def spec_of(
    manifest: Manifest, task: Task, backbone: Backbone, arm: str, recipe: Recipe, *,
    numerics: Numerics, seed: int = 0, fraction: float = 1.0, init: str = IMAGENET,
) -> RunSpec:  # fmt: skip
    """The spec of a run; `init` is "imagenet" or the SHA-256 of the weights to continue from."""
    labels = labels_of(manifest, task)
    return RunSpec(
        data_digest=manifest.digest,
        split_digest=split_digest(manifest),
        task=task.name,
        classes=labels.names,
        positive=labels.positive,
        backbone=backbone.name,
        init="random" if arm == "scratch" else init,
        arm=arm,
        recipe=recipe,
        seed=seed,
        fraction=fraction,
        numerics=numerics,
    )


def split_digest(manifest: Manifest) -> str:
    """SHA-256 over which case is in which part."""
    parts = sorted((case.case_id, case.split) for case in manifest.cases)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
