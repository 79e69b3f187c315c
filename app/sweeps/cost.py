"""What a run costs: multiply-adds from its plan, seconds from what this machine has shown."""

from collections.abc import Sequence
from dataclasses import dataclass

from models import decoder
from models.backbone import Backbone

# Two cores without bf16, EfficientNet-Lite0, batch 32 (docs/measurements.md): a first guess
# only, given up as soon as this service has finished an epoch of its own.
MACS_PER_S = 12e9


@dataclass(frozen=True)
class Work:
    """A run as its cost sees it: images of an epoch, and how many layers are tuned."""

    depth: int
    epochs: int
    train_images: float
    validation_images: float


def layer_macs(backbone: Backbone, output: str, classes: int) -> tuple[int, ...]:
    """Forward multiply-adds of each layer of the network with that output, for one image."""
    if output == "classes":
        return backbone.flops
    return (*backbone.flops[: len(backbone.row(output)) - 1], decoder.macs(backbone, 1 + classes))


def epoch_macs(layers: Sequence[int], work: Work) -> float:
    """Multiply-adds of one epoch.

    The frozen layers are passed once and cached, so an epoch pays for the tuned suffix alone:
    forward, and twice as much for the gradients of its weights and inputs; validation forward.
    """
    tuned = float(sum(layers[len(layers) - work.depth :]))
    return tuned * (3 * work.train_images + work.validation_images)


def prefix_macs(layers: Sequence[int], work: Work) -> float:
    """The one pass through the frozen layers."""
    frozen = float(sum(layers[: len(layers) - work.depth]))
    return frozen * (work.train_images + work.validation_images)


def run_macs(layers: Sequence[int], work: Work) -> float:
    return prefix_macs(layers, work) + work.epochs * epoch_macs(layers, work)


def macs_per_s(done: Sequence[tuple[float, float]]) -> float:
    """The speed seen so far from (macs, seconds) of finished work, or the first guess."""
    seconds = sum(spent for _, spent in done)
    macs = sum(paid for paid, _ in done)
    return macs / seconds if seconds > 0 and macs > 0 else MACS_PER_S
