"""Puts a safetensors file into a freshly built backbone; shared by every `build`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def load(network: "nn.Sequential", init: str | None) -> "nn.Sequential":
    """Copies the tensors of file `init` into `network` by name; None leaves it as it is.

    A head for another number of classes stays as it was initialised. Any other tensor that is
    missing or of another shape raises ValueError: half-loaded weights would look like a bad depth.
    """
    if init is None:
        return network
    from safetensors.torch import load_file

    stored = load_file(init)
    state = network.state_dict()
    *_, head = (name for name, _ in network.named_children())
    fits = all(
        name in stored and stored[name].shape == tensor.shape
        for name, tensor in state.items()
        if name.startswith(f"{head}.")
    )
    for name, tensor in state.items():
        if name.startswith(f"{head}.") and not fits:
            continue
        if name not in stored:
            raise ValueError(f"{Path(init).name}: tensor {name} is missing")
        if stored[name].shape != tensor.shape:
            shapes = f"{tuple(stored[name].shape)}, expected {tuple(tensor.shape)}"
            raise ValueError(f"{Path(init).name}: tensor {name} is {shapes}")
        tensor.copy_(stored[name])
    return network
