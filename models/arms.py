"""Arms: the ways of training that a sweep compares, as one learning rate per layer (paper 1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.spec import Recipe


@dataclass(frozen=True)
class Arm:
    """`depth:k` tunes the k layers nearest the output; `scratch` trains all from random weights."""

    name: str
    depth: int
    scratch: bool = False


def parse(name: str, layers: int) -> Arm:
    """Reads `depth:3` or `scratch`; a depth beyond `layers` means all of them.

    Raises ValueError for anything else, naming the value and the way out.
    """
    if name == "scratch":
        return Arm("scratch", layers, scratch=True)
    kind, _, number = name.partition(":")
    if kind != "depth" or not number.isascii() or not number.isdigit() or int(number) < 1:
        raise ValueError(f"arm {name!r}: use depth:1 to depth:{layers}, or scratch")
    depth = min(int(number), layers)
    return Arm(f"depth:{depth}", depth)


def normalise(names: str | Sequence[str], layers: int) -> tuple[Arm, ...]:
    """The arms of a sweep, shallow to deep, scratch last, duplicates collapsed."""
    if names == "all":
        names = [*(f"depth:{k}" for k in range(1, layers + 1)), "scratch"]
    if isinstance(names, str):
        names = [names]
    found = {arm.name: arm for arm in (parse(name, layers) for name in names)}
    return tuple(sorted(found.values(), key=lambda arm: (arm.scratch, arm.depth)))


def rates(arm: Arm, layers: Sequence[str], recipe: Recipe) -> tuple[float, ...]:
    """The plan: one learning rate per layer, input to output; 0 = frozen (paper, Table II).

    The new head gets `head_learning_rate` in a depth arm; in `scratch` every layer gets
    `scratch_learning_rate`, the head too (Table II: .001 everywhere).
    """
    if arm.scratch:
        return (recipe.scratch_learning_rate,) * len(layers)
    frozen = len(layers) - arm.depth
    tuned = (recipe.learning_rate,) * (arm.depth - 1)
    return (0.0,) * frozen + tuned + (recipe.head_learning_rate,)
