"""What a small network says of a vessel laid straight: convolutions along it and two layers over
what they find at the place, around it and further off.

Trained on phantoms by models.tuning.pretrain_straightened, in PyTorch; evaluated here in NumPy, to
the same numbers (tested). A vessel looks the same from either end: both are asked, and averaged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from models.imaging.vessels.straightened.pictures import LONG, Pictures

Floats = NDArray[np.float32]
FILE = Path(__file__).with_name("straightened.safetensors")
CONVOLUTIONS, LAYERS = 3, 2
# Steps whose mean is taken, from the place on: at it, and near and far to either side.
MIDDLE = LONG // 2
WINDOWS = tuple(
    slice(MIDDLE + first, MIDDLE + last + 1)
    for first, last in ((0, 0), (-6, -3), (3, 6), (-14, -7), (7, 14), (-MIDDLE, MIDDLE))
)
CHUNK = 256  # places at once


@dataclass(frozen=True, eq=False)
class Network:
    """`middle` and `spread` [channels, 1] of what it was trained on; `convolutions` (weight [out,
    channels, width], bias [out]) and `layers` (weight [out, values], bias [out]), each but the
    last followed by a ReLU.
    """

    middle: Floats
    spread: Floats
    convolutions: tuple[tuple[Floats, Floats], ...]
    layers: tuple[tuple[Floats, Floats], ...]


def scores(pictures: Pictures, network: Network) -> NDArray[np.float64]:
    """[n] of pictures [n, CHANNELS, LONG]: log odds among a volume's places, roughly."""
    said = np.empty(len(pictures))
    for first in range(0, len(pictures), CHUNK):
        some = (pictures[first : first + CHUNK] - network.middle) / network.spread
        both = _said(some, network) + _said(some[..., ::-1], network)
        said[first : first + CHUNK] = both / 2
    return said


def _said(seen: Floats, network: Network) -> Floats:
    for weight, bias in network.convolutions:
        seen = np.maximum(_convolved(seen, weight) + bias[:, None], 0)
    values = pooled(seen)
    for weight, bias in network.layers[:-1]:
        values = np.maximum(values @ weight.T + bias, 0)
    weight, bias = network.layers[-1]
    return np.asarray((values @ weight.T + bias)[:, 0])


def _convolved(seen: Floats, weight: Floats) -> Floats:
    """[n, out, steps] as torch's conv1d has it, as many steps as there were."""
    aside = weight.shape[2] // 2
    wide = np.pad(seen, ((0, 0), (0, 0), (aside, aside)))
    windows = sliding_window_view(wide, weight.shape[2], axis=2)  # [n, channels, steps, width]
    return np.moveaxis(np.tensordot(windows, weight, axes=((1, 3), (1, 2))), 2, 1)


def pooled(seen: Floats) -> Floats:
    """[n, (windows + 1) * channels] of [n, channels, LONG]: means over WINDOWS, then the most."""
    return np.concatenate(
        [*(seen[..., window].mean(axis=2) for window in WINDOWS), seen.max(axis=2)], axis=1
    )


def write(network: Network, path: Path) -> None:
    arrays = {"middle": network.middle, "spread": network.spread}
    for kind in ("convolutions", "layers"):
        for number, (weight, bias) in enumerate(getattr(network, kind)):
            arrays |= {f"{kind}.{number}.weight": weight, f"{kind}.{number}.bias": bias}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def read(path: Path) -> Network:
    return of(load_file(path))


def of(arrays: Mapping[str, Floats]) -> Network:
    """Of arrays by the names that `write` gives them, which are PyTorch's."""

    def pairs(kind: str, count: int) -> tuple[tuple[Floats, Floats], ...]:
        names = [f"{kind}.{number}" for number in range(count)]
        return tuple((arrays[f"{name}.weight"], arrays[f"{name}.bias"]) for name in names)

    convolutions, layers = pairs("convolutions", CONVOLUTIONS), pairs("layers", LAYERS)
    return Network(arrays["middle"], arrays["spread"], convolutions, layers)


@cache
def shipped() -> Network:
    """The one that ships."""
    return read(FILE)
