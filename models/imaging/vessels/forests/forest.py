"""How plausible a place is as an embolus: trees that ask for its facts, their answers added up.

Boosted trees, fitted on phantoms by models.imaging.vessels.forests.fitting. A tree asks a handful
of facts one after the other, so that they can speak together: a dark stretch means one thing in a
wide vessel with lumen before it and another in a vein. Its answer is one of its leaves': no place,
however odd its volume, is worth more than the leaves say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

Floats = NDArray[np.float64]
FIRST = Path(__file__).with_name("first_forest.safetensors")
SECOND = Path(__file__).with_name("second_forest.safetensors")
CHUNK = 512  # places at once: what they ask stays in the processor's cache


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees side by side, arrays [trees, nodes]: the fact that a node asks, by its column,
    the `edge` up to which the way goes on to `left`, beyond it to `right`, and a leaf's `value`. A
    leaf leads to itself. `start` [1] is where a place's sum begins, `steps` [1] the longest way.
    """

    start: Floats
    steps: NDArray[np.int64]
    fact: NDArray[np.int16]
    edge: Floats
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    value: Floats


def scores(facts: Floats, forest: Forest) -> Floats:
    """[n] of facts [n, columns]: log odds among a volume's places, roughly."""
    chunks = [facts[first : first + CHUNK] for first in range(0, len(facts), CHUNK)]
    return np.concatenate([_sums(chunk, forest) for chunk in chunks] or [np.empty(0)])


def _sums(facts: Floats, forest: Forest) -> Floats:
    tree, place = np.arange(len(forest.fact)), np.arange(len(facts))[:, None]
    node = np.zeros((len(facts), len(tree)), dtype=np.int64)
    for _ in range(int(forest.steps[0])):
        low = facts[place, forest.fact[tree, node]] <= forest.edge[tree, node]
        node = np.where(low, forest.left[tree, node], forest.right[tree, node])
    return np.asarray(forest.start[0] + forest.value[tree, node].sum(axis=1))


def write(forest: Forest, path: Path, facts: Sequence[str]) -> None:
    """The arrays, and of which facts they are."""
    save_file(vars(forest), path, metadata={"facts": ",".join(facts)})


def read(path: Path, facts: Sequence[str]) -> Forest:
    """A forest of its file. Raises ValueError if it asks for other facts than these."""
    with safe_open(path, framework="numpy") as file:
        if file.metadata()["facts"] != ",".join(facts):
            raise ValueError(f"{path.name} is of other facts than places have: fit it again")
        return Forest(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


@cache
def shipped(path: Path, facts: tuple[str, ...]) -> Forest:
    """One of the two that ship."""
    return read(path, facts)
