"""The deployable network: ONNX from pixels to calibrated scores, verified before it is kept."""

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.backbone import Backbone
from models.inference import runtime
from models.tuning.errors import TuningError

OPSET = 18
TOLERANCE = 1e-3  # largest difference of a score between torch and the exported network
VERIFIED_PATCHES = 64


class ExportError(TuningError):
    """The exported network does not answer as the trained one does."""


class Served(nn.Module):
    """What is exported: uint8 [n, size, size, 3] -> scores that sum to one over dimension 1.

    [n, classes], or [n, 1 + classes, size, size] of a map network.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, backbone: Backbone, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        maps = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        return torch.softmax(self.network(maps) / self.temperature, dim=1)


@dataclass(frozen=True)
class Exported:
    """A verified model.onnx: `max_difference` of any score to torch on `patches` patches."""

    path: Path
    sha256: str
    max_difference: float
    patches: int


def export(
    network: nn.Module,
    backbone: Backbone,
    temperature: float,
    patches: NDArray[np.uint8],
    out: Path,
) -> Exported:
    """Writes `out` and runs it on validation patches as serving will; raises ExportError where
    the two differ by more than TOLERANCE.
    """
    served = Served(network.cpu().float(), backbone, temperature).eval()
    temporary = out.with_suffix(".part.onnx")
    try:
        _write(served, backbone.input_size, temporary)
        # spread over the part, as cases of one class often follow each other
        pick = np.unique(np.linspace(0, len(patches) - 1, VERIFIED_PATCHES).astype(int))
        difference = _difference(served, temporary, np.ascontiguousarray(patches[pick]))
        if not difference <= TOLERANCE:
            raise ExportError(
                f"{out.name}: scores differ from torch by {difference:.2g} on validation patches, "
                f"{TOLERANCE:g} is allowed"
            )
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return Exported(out, digest, difference, len(pick))


def _write(served: Served, size: int, out: Path) -> None:
    """By the tracing exporter: ten times faster than the other, and a chain is traced well."""
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    batch = {0: "n"}
    with warnings.catch_warnings(), torch.no_grad():
        # the exporter warns of its own age, and of a slice it leaves unfolded: right, if slower
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        torch.onnx.export(
            served, (example,), str(out), dynamo=False, opset_version=OPSET,
            input_names=["pixels"], output_names=["scores"],
            dynamic_axes={"pixels": batch, "scores": batch},
        )  # fmt: skip


def _difference(served: Served, path: Path, patches: NDArray[np.uint8]) -> float:
    with torch.no_grad():
        expected = torch.cat([served(p) for p in torch.split(torch.from_numpy(patches), 16)])
    found = runtime.load(path, bf16=False).run(patches)
    return float(np.abs(found - expected.numpy()).max())
