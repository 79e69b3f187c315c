"""A run's spec from its pack: everything the weights depend on, and nothing else."""

import hashlib
import json
from pathlib import Path

from safetensors import safe_open

from models.backbone import Backbone
from models.pack import Manifest
from models.spec import Numerics, Recipe, RunSpec, recipe_in
from models.task import Task
from models.tuning import device
from models.tuning.patches.sets import labels_of

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


def spec_in(weights: Path) -> RunSpec:
    """The spec that a weights.safetensors carries, on this machine's numerics in float32."""
    with safe_open(str(weights), framework="numpy") as file:
        kept = json.loads(file.metadata()["spec"])
    numerics = device.best()
    kept["recipe"] = recipe_in(kept["recipe"])
    kept["numerics"] = Numerics(numerics.device, "float32", numerics.threads)
    kept["classes"] = tuple(kept["classes"])
    return RunSpec(**kept)
