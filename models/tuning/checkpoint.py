"""A run between two epochs as one safetensors file: tuned weights, best weights, optimiser."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from models.tuning.errors import BadDataError
from models.tuning.plan import Tuned
from models.tuning.pretrained import save


@dataclass(frozen=True)
class Epoch:
    """One pass over the training patches, and what validation said after it.

    `validation` has the task's headline first, then its other values, then `loss`; None where the
    cases do not determine a value. `learning_rate` is the highest at the epoch's end.
    """

    epoch: int  # 1 .. epochs
    epochs: int
    loss: float
    validation: dict[str, float | None]
    learning_rate: float
    seconds: float
    best: bool


@dataclass
class Progress:
    """What a run must remember, beside its tensors, to go on as if it had never stopped."""

    spec_digest: str
    witness: dict[str, Any]
    epochs: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_rank: list[float] = field(default_factory=list)
    parts: int = 1  # into which a batch is divided since memory ran out


def write(
    path: Path, tuned: Tuned, optimiser: torch.optim.Optimizer, best: dict[str, Tensor],
    progress: Progress,
) -> None:  # fmt: skip
    """Only what training changes: the frozen layers are rebuilt from where they came from.

    The best epoch's weights are kept beside the present ones unless they are the same.
    """
    now = tuned.tensors(frozen=False)
    kept = {f"now/{name}": tensor for name, tensor in now.items()}
    if progress.best_epoch != len(progress.epochs):
        kept |= {f"best/{name}": tensor for name, tensor in best.items()}
    for name, parameter in tuned.tuned_parameters().items():
        for key, value in optimiser.state[parameter].items():
            kept[f"optimiser/{name}/{key}"] = value
    kept = {name: tensor.detach().contiguous() for name, tensor in kept.items()}
    save(kept, {"progress": json.dumps(asdict(progress), sort_keys=True)}, path)


def read(
    path: Path, tuned: Tuned, optimiser: torch.optim.Optimizer, spec_digest: str
) -> tuple[Progress, dict[str, Tensor]]:
    """Puts weights and optimiser state back; answers the progress and the best weights."""
    with safe_open(str(path), framework="pt") as file:
        progress = Progress(**json.loads(file.metadata()["progress"]))
        if progress.spec_digest != spec_digest:
            raise BadDataError(f"{path.name}: belongs to another run than the one to resume")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    now = tuned.tensors(frozen=False)
    for name, tensor in now.items():
        tensor.copy_(tensors[f"now/{name}"])
    for name, parameter in tuned.tuned_parameters().items():
        start = f"optimiser/{name}/"
        state = {k.removeprefix(start): t for k, t in tensors.items() if k.startswith(start)}
        optimiser.state[parameter] = {key: _placed(key, t, parameter) for key, t in state.items()}
    if progress.best_epoch == len(progress.epochs):
        return progress, clone(now)
    return progress, {name: tensors[f"best/{name}"].to(now[name].device) for name in now}


def _placed(key: str, tensor: Tensor, parameter: Tensor) -> Tensor:
    """A moment in its parameter's memory layout; counters as they are."""
    if key == "step" or tensor.ndim != 4:
        return tensor.to(parameter.device)
    return torch.empty_like(parameter).copy_(tensor)


def clone(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
