"""A plan on a network: frozen stays frozen, what is tuned gets its rate (paper Table II)."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from models.spec import Recipe
from models.tuning.errors import FreezeError
from models.tuning.network import onward


class Tuned(nn.Module):
    """A backbone under a plan. `train()` wakes the tuned layers only: a frozen layer keeps its
    weights, its norm statistics and its dropout off, whoever calls `train()` and how often.
    """

    def __init__(self, network: nn.Sequential, rates: Sequence[float]) -> None:
        super().__init__()
        if len(rates) != len(network):
            raise ValueError(f"{len(rates)} rates for {len(network)} layers")
        if not any(rates):
            raise ValueError("a plan that tunes nothing: every rate is 0")
        self.network = network
        self.rates = tuple(rates)
        for layer, rate in zip(network, rates, strict=True):
            layer.requires_grad_(rate > 0)
        self.train()

    @property
    def prefix(self) -> int:
        """How many layers next to the input are frozen: their outputs never change."""
        return next(k for k, rate in enumerate(self.rates) if rate > 0)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for layer, rate in zip(self.network, self.rates, strict=True):
            if rate == 0:
                layer.eval()
        return self

    def forward(self, *state: Tensor) -> Tensor:
        """Logits from the state behind the frozen prefix (models.tuning.network)."""
        for k in range(self.prefix, len(self.network)):
            state = onward(self.network, k, state)
        return state[0]

    def tensors(self, *, frozen: bool) -> dict[str, Tensor]:
        """Parameters and buffers of the frozen or of the tuned layers, by name in the network."""
        found: dict[str, Tensor] = {}
        for (name, layer), rate in zip(self.network.named_children(), self.rates, strict=True):
            if (rate == 0) == frozen:
                found.update({f"{name}.{key}": t for key, t in layer.state_dict().items()})
        return found

    def tuned_parameters(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.network.named_parameters() if p.requires_grad}


def digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over names, shapes, types and bytes."""
    state = hashlib.sha256()
    for name, tensor in tensors:
        state.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        state.update(raw.numpy().data)
    return state.hexdigest()


@dataclass(frozen=True)
class Witness:
    """What a plan promised to keep and to move, taken before the first step."""

    frozen: str  # digest of all frozen tensors
    frozen_tensors: int
    tuned: dict[str, str]  # parameter -> digest

    @classmethod
    def of(cls, tuned: Tuned) -> Self:
        frozen = tuned.tensors(frozen=True)
        moved = {name: digest([(name, p)]) for name, p in tuned.tuned_parameters().items()}
        return cls(digest(frozen.items()), len(frozen), moved)

    def proof(self, after: Self) -> dict[str, object]:
        """The freeze proof of a run; raises FreezeError where the promise was broken."""
        if after.frozen != self.frozen:
            raise FreezeError(f"one of {self.frozen_tensors} frozen tensors has changed")
        still = [name for name, before in self.tuned.items() if after.tuned[name] == before]
        if still:
            named = ", ".join(still[:5])
            raise FreezeError(f"{len(still)} trainable tensors did not move: {named}")
        return {
            "frozen_unchanged": True,
            "frozen_tensors": self.frozen_tensors,
            "digest_before": self.frozen,
            "digest_after": after.frozen,
            "trainable_moved": True,
            "trainable_tensors": len(self.tuned),
        }


def optimiser(tuned: Tuned, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW or SGD with one group per rate and kind; `peak` is the rate the schedule scales.

    Biases run at `bias_rate` times their layer's rate (paper 1.1: twice). Neither biases nor
    norm parameters decay (the paper is silent; Caffe's AlexNet decays weights only).
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for (layer_name, layer), rate in zip(tuned.network.named_children(), tuned.rates, strict=True):
        for name, parameter in layer.named_parameters(prefix=layer_name):
            if not parameter.requires_grad:
                continue
            peak = rate * recipe.bias_rate if name.endswith("bias") else rate
            decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((peak, decay), []).append(parameter)
    made = [
        {"params": found, "lr": peak, "peak": peak, "weight_decay": decay}
        for (peak, decay), found in groups.items()
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(made, lr=recipe.learning_rate, momentum=recipe.momentum)
    return torch.optim.AdamW(made, lr=recipe.learning_rate, fused=True)
