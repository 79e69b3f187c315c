"""What a run is made of: a recipe, and the spec that alone determines the weights."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Optimiser = Literal["adamw", "sgd"]


@dataclass(frozen=True)
class Recipe:
    """The hyper-parameters beside the plan; rates per step, `variants` augmented copies per ROI.

    schedule   "one_cycle" over the whole run, or "step": x `decay` after each epoch (paper 1.1)
    bias_rate  factor on the learning rate of biases (the paper's 2)
    stratify   negatives down-sampled to the positives' number per epoch (paper 1.1)
    least_steps  an epoch of fewer steps shows further variants of its patches (`passes`)
    patience   epochs without a better validation headline before the run stops; 0 = never
    """

    preset: str
    epochs: int
    batch_size: int
    learning_rate: float
    head_learning_rate: float
    scratch_learning_rate: float
    optimiser: Optimiser
    weight_decay: float
    variants: int
    schedule: Literal["one_cycle", "step"]
    decay: float
    momentum: float
    bias_rate: float
    stratify: bool
    patience: int
    least_steps: int = 0

    def passes(self, patches: float) -> int:
        """How many variants of each of so many patches an epoch shows: one, and of a small set as
        many more as give it `least_steps` steps, or all that there are.
        """
        wanted = math.ceil(self.least_steps * self.batch_size / max(patches, 1))
        return max(1, min(self.variants, wanted))


PRESETS = {
    "modern": Recipe(
        preset="modern", epochs=10, batch_size=32, learning_rate=3e-4, head_learning_rate=3e-3,
        scratch_learning_rate=1e-3, optimiser="adamw", weight_decay=0.01, variants=8,
        schedule="one_cycle", decay=1.0, momentum=0.9, bias_rate=1.0, stratify=False, patience=0,
    ),
    # Silent in the paper, so ours: epochs, batch size (Caffe's AlexNet used 256; 32 suits small
    # clinical sets), weight decay (Caffe's 5e-4), variants, patience.
    "paper": Recipe(
        preset="paper", epochs=20, batch_size=32, learning_rate=1e-3, head_learning_rate=1e-2,
        scratch_learning_rate=1e-3, optimiser="sgd", weight_decay=5e-4, variants=8,
        schedule="step", decay=0.95, momentum=0.9, bias_rate=2.0, stratify=True, patience=5,
    ),
}  # fmt: skip
GENERAL = tuple(PRESETS)  # for every task
# The paper's patches about pixels (1.5), for tasks that have such a way (`Task.ways`).
PRESETS["patches"] = replace(PRESETS["modern"], preset="patches")


# What a preset says otherwise for map networks: every pixel teaches, so gradients are steadier
# than a label's and bear smaller batches and a higher rate. A decoder begins from nothing, and a
# hundred images are nine such batches: it wants steps, whatever the set's size (nnU-Net gives an
# epoch 250 of them).
FOR_MAPS: dict[str, dict[str, Any]] = {
    "modern": {"batch_size": 16, "learning_rate": 1e-3, "least_steps": 32}
}

# What it says otherwise where an epoch shows as much of either class: things are so few that it is
# some dozens of steps, which at the usual rate teach next to nothing.
BALANCED: dict[str, dict[str, Any]] = {"modern": {"learning_rate": 1e-3}}


def recipe(
    preset: str = "modern", output: str = "classes", *, balanced: bool = False, **given: Any
) -> Recipe:
    """A preset for networks of that output with what the user gave laid over it; `variants`
    defaults to min(epochs, 8). `balanced`: a task whose epochs show as much of either class.
    """
    adapted: dict[str, Any] = FOR_MAPS.get(preset, {}) if output == "map" else {}
    if balanced:
        adapted = {**adapted, **BALANCED.get(preset, {}), "stratify": True}
    chosen = replace(PRESETS[preset], **{**adapted, **given})
    if "variants" not in given:
        chosen = replace(chosen, variants=min(chosen.epochs, chosen.variants))
    return chosen


def preset_of(card: Mapping[str, Any]) -> str:
    """The preset that a card names; `modern` where it comes from elsewhere and names none."""
    kept = card.get("recipe")
    named = kept.get("preset") if isinstance(kept, Mapping) else None
    return named if isinstance(named, str) else "modern"


def recipe_in(kept: Mapping[str, Any]) -> Recipe:
    """A recipe as it was stored, by this release or by an earlier one that knew fewer fields."""
    return replace(PRESETS[kept.get("preset", "modern")], **kept)


@dataclass(frozen=True)
class Numerics:
    """How the arithmetic is done; part of a run's identity, as bits depend on it."""

    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 2


@dataclass(frozen=True)
class RunSpec:
    """All that a run's weights depend on: no ids, no times, no paths."""

    data_digest: str
    split_digest: str
    task: str
    classes: tuple[str, ...]
    positive: str | None
    backbone: str
    init: str  # "imagenet", "random", or the digest of a model's weights to continue from
    arm: str
    recipe: Recipe
    seed: int
    fraction: float
    numerics: Numerics

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of the spec."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
