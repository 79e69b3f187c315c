"""Trains the network that sees a vessel laid straight.

`python -m models.tuning.pretrain_straightened` writes its file anew, which takes two cores more
than an hour: on the phantoms that the forests are fitted on and on more that these never saw, and
on the places that they find likeliest in them. Fit the forests first.
"""

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.imaging import ctpa_phantom
from models.imaging.ctpa_phantom.style import StyleName
from models.imaging.vessels import plausible
from models.imaging.vessels.forests import fitting, second_look
from models.imaging.vessels.places import find_places
from models.imaging.vessels.scene import see
from models.imaging.vessels.straightened import network
from models.imaging.vessels.straightened.pictures import CHANNELS
from models.tuning.device import derive
from models.tuning.schedule import one_cycle

WIDTH, FILTERS, VALUES = 5, 48, 64
BATCH, EPOCHS, RATE, DECAY = 512, 12, 3e-3, 0.01
DROPPED = 0.1, 0.3  # after the first convolution, before the last layer
SHIFTED = 0.05  # how much a channel is brightened or darkened, in its spread
MORE: dict[StyleName, tuple[int, ...]] = {  # seeds that no forest is fitted on
    "other": tuple(range(6400, 6460)),
    "usual": tuple(range(7500, 7530)),
    "plain": tuple(range(8200, 8260)),
}


@dataclass(frozen=True, eq=False)
class Shown:
    """Of one volume, straightened vessels [n, CHANNELS, LONG] (float16: they are many), and the
    embolus that each place lies on [n], 0 = none.
    """

    pictures: NDArray[np.float16]
    on: NDArray[np.int64]


class Straightened(nn.Module):
    """What models.imaging.vessels.straightened.network evaluates."""

    def __init__(self) -> None:
        super().__init__()
        widths = (CHANNELS, *[FILTERS] * network.CONVOLUTIONS)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(one, two, WIDTH, padding=WIDTH // 2) for one, two in pairwise(widths)
        )
        pooled = FILTERS * (len(network.WINDOWS) + 1)
        self.layers = nn.ModuleList([nn.Linear(pooled, VALUES), nn.Linear(VALUES, 1)])
        self.early, self.late = (nn.Dropout(share) for share in DROPPED)

    def forward(self, seen: Tensor) -> Tensor:
        """[n] log odds of [n, CHANNELS, LONG]."""
        for number, convolution in enumerate(self.convolutions):
            seen = torch.relu(convolution(seen))
            seen = seen if number else self.early(seen)
        means = [seen[..., window].mean(2) for window in network.WINDOWS]
        values = torch.relu(self.layers[0](torch.cat([*means, seen.amax(2)], 1)))
        found: Tensor = self.layers[1](self.late(values))[:, 0]
        return found


def train(rows: Sequence[Shown], epochs: int = EPOCHS, seed: int = 1) -> network.Network:
    """A network of these volumes' places: an embolus counts about as much as another."""
    torch.manual_seed(derive("straightened", seed))
    rng = np.random.default_rng(derive("places", seed))
    seen = np.concatenate([row.pictures for row in rows])
    truth = torch.tensor(np.concatenate([row.on for row in rows]) > 0, dtype=torch.float32)
    counts = np.concatenate([fitting.weights(row.on) for row in rows]) / fitting.OTHERS_WEIGHT
    weight = torch.tensor(counts, dtype=torch.float32)
    middle, spread = _spread(seen)
    model = Straightened()
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=DECAY)
    steps = epochs * (len(seen) // BATCH)
    batches = _batches(rng, len(seen))
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * one_cycle(step, steps)[0]
        some = next(batches)
        logits = model(_varied(torch.tensor((seen[some] - middle) / spread)))
        losses = nn.functional.binary_cross_entropy_with_logits(
            logits, truth[some], weight[some], reduction="mean"
        )
        optimiser.zero_grad()
        torch.autograd.backward(losses)
        optimiser.step()
    return exported(model, middle, spread)


def exported(
    model: Straightened, middle: network.Floats, spread: network.Floats
) -> network.Network:
    """What NumPy evaluates."""
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return network.of(arrays | {"middle": middle, "spread": spread})


def _spread(seen: NDArray[np.float16]) -> tuple[network.Floats, network.Floats]:
    """Mean and standard deviation of each channel, [CHANNELS, 1]."""
    some = seen[::20].astype(np.float32)
    return some.mean((0, 2))[:, None], some.std((0, 2))[:, None] + 1e-3


def _batches(rng: np.random.Generator, count: int) -> Iterator[NDArray[np.int64]]:
    while True:
        order = rng.permutation(count)
        for first in range(0, count - BATCH + 1, BATCH):
            yield np.sort(order[first : first + BATCH])


def _varied(seen: Tensor) -> Tensor:
    """Half of them from the other end, and each channel a little brighter or darker."""
    turned = torch.rand(len(seen)) < 0.5
    seen = torch.where(turned[:, None, None], seen.flip(2), seen)
    return seen + SHIFTED * torch.randn(len(seen), seen.shape[1], 1)


def _phantom(style: StyleName, seed: int) -> Shown | None:
    rng = np.random.default_rng(seed)
    made = ctpa_phantom.volume(rng, style=style, emboli=fitting.EMBOLI)
    scene = see(made.volume)
    if scene is None:
        return None
    found = find_places(scene)
    on = fitting.on_emboli(scene, found, made.volume, made.emboli)
    asked = plausible.likeliest(second_look.plausibility(found))
    kept = np.union1d(asked, np.flatnonzero(on))
    return Shown(plausible.shown(scene, found, kept).astype(np.float16), on[kept])


def phantoms(most: int | None) -> Iterator[Shown]:
    """All of them, or the first few of each population, two at a time."""
    jobs = [
        (style, seed)
        for style, seeds in fitting.SEEDS.items()
        for seed in (seeds + MORE[style])[:most]
    ]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for shown in pool.map(_phantom, *zip(*jobs, strict=True)):
            if shown is not None:
                yield shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--phantoms", type=int, help="of each population; all by default")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=network.FILE)
    given = parser.parse_args()
    network.write(train(list(phantoms(given.phantoms)), given.epochs), given.out)


if __name__ == "__main__":
    main()
