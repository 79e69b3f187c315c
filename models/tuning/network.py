"""A network as a row of layers that a plan can cut anywhere: class networks, and map networks.

A map network is a backbone without the layers above its deepest tap, followed by one layer more:
a light decoder with the head, made of segmentation_models_pytorch's own blocks (Ronneberger 2015).
What passes between two layers is a state: the skips met so far, then the maps of the last layer.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from segmentation_models_pytorch.base.initialization import (  # type: ignore[import-untyped]
    initialize_decoder,
    initialize_head,
)
from segmentation_models_pytorch.decoders.unet.decoder import (  # type: ignore[import-untyped]
    UnetDecoderBlock,
)
from torch import Tensor, nn
from torch.nn import functional

from models.backbone import Backbone
from models.decoder import widths
from models.spec import RunSpec
from models.tuning.device import derive
from models.tuning.errors import WeightsError

State = tuple[Tensor, ...]


class MapNetwork(nn.Sequential):
    """Layers and a decoder. `taps` are the positions of the layers whose outputs it uses."""

    def __init__(self, layers: "OrderedDict[str, nn.Module]", taps: Sequence[int] = ()) -> None:
        super().__init__(layers)
        self.taps = tuple(taps)

    def forward(self, maps: Tensor) -> Tensor:
        """[n, 3, size, size] -> logits [n, 1 + classes, size, size]."""
        state: State = (maps,)
        for k in range(len(self)):
            state = onward(self, k, state)
        return state[0]


def taps_of(network: nn.Sequential) -> tuple[int, ...]:
    """Positions of the layers that a decoder taps; () in a class network."""
    return network.taps if isinstance(network, MapNetwork) else ()


def onward(network: nn.Sequential, k: int, state: State) -> State:
    """The state behind layer `k` from the state before it: a tapped output stays as a skip."""
    taps = taps_of(network)
    if taps and k == len(network) - 1:
        return (network[k](*state),)
    maps = network[k](state[-1])
    return (*state, maps) if k - 1 in taps else (*state[:-1], maps)


class Decoder(nn.Module):
    """From the tapped maps to label logits at the size of the input.

    Each block doubles the maps to the size of the next skip, whatever that is (AlexNet's are 27,
    13 and 6 pixels), and joins it. Below the shallowest skip blocks go on without one until a
    pixel is two wide; the logits are then enlarged bilinearly: lines stay smooth, and the last
    doubling, the dearest of all, is saved.
    """

    def __init__(self, taps: Sequence[tuple[str, int, int]], outputs: int, size: int) -> None:
        super().__init__()
        self.size = size
        channels = [count for _, count, _ in reversed(taps)]
        planned = widths([stride for _, _, stride in taps])
        skips = [*channels[1:], *([0] * (len(planned) - len(channels) + 1))]
        entering = [channels[0], *planned]
        self.blocks = nn.ModuleList(
            UnetDecoderBlock(into, skip, out)
            for into, skip, out in zip(entering, skips, planned, strict=False)
        )
        self.head = nn.Conv2d(planned[-1], outputs, 3, padding=1)
        initialize_decoder(self.blocks)
        initialize_head(self.head)

    def forward(self, *taps: Tensor) -> Tensor:
        *skips, maps = taps
        for block in self.blocks:
            skip = skips.pop() if skips else None
            height, width = (
                skip.shape[-2:] if skip is not None else [2 * side for side in maps.shape[-2:]]
            )
            maps = block(maps, height, width, skip)
        logits: Tensor = self.head(maps)
        return functional.interpolate(
            logits.float(), (self.size, self.size), mode="bilinear", align_corners=False
        )


def build(
    backbone: Backbone, outputs: int, weights: Path | None, output: str = "classes"
) -> nn.Sequential:
    """A network of that output with `outputs` logits, from a weights file or random.

    Raises ValueError where the file does not fit.
    """
    given = None if weights is None else str(weights)
    if output == "classes":
        return backbone.build(outputs, given)
    row = backbone.row(output)
    layers: OrderedDict[str, nn.Module] = OrderedDict(backbone.build(2, None).named_children())
    kept = OrderedDict((name, layers[name]) for name in row[:-1])
    kept["decoder"] = Decoder(backbone.taps, outputs, backbone.input_size)
    network = MapNetwork(kept, [row.index(layer) for layer, _, _ in backbone.taps])
    return network if weights is None else _loaded(network, weights)


def _loaded(network: MapNetwork, weights: Path) -> MapNetwork:
    """Copies a file's tensors by name: of a class network all but what lies above the deepest tap,
    of a map network the decoder too, if it is for as many classes.
    """
    stored, state = load_file(str(weights)), network.state_dict()
    decoder = {name: t for name, t in state.items() if name.startswith("decoder.")}
    fits = all(name in stored and stored[name].shape == t.shape for name, t in decoder.items())
    for name, tensor in state.items():
        if name in decoder and not fits:
            continue
        if name not in stored or stored[name].shape != tensor.shape:
            what = "missing" if name not in stored else f"of shape {tuple(stored[name].shape)}"
            raise ValueError(f"{weights.name}: tensor {name} is {what}")
        tensor.copy_(stored[name])
    return network


def begun(backbone: Backbone, spec: RunSpec, weights: Path | None, output: str) -> nn.Sequential:
    """The network of a run before its first step; the seed alone decides what is random in it."""
    torch.manual_seed(derive(spec.seed, "start"))
    outputs = len(spec.classes) + (output == "map")
    try:
        return build(backbone, outputs, weights, output)
    except ValueError as error:
        raise WeightsError(f"weights do not fit {backbone.name}: {error}") from error
