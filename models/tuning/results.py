"""What a finished run leaves in its folder: weights, measures, and this summary of both."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models import measures as measure_files
from models.findings import Measure


@dataclass(frozen=True)
class Result:
    """`stop_reason`: converged (all epochs) or early_stopping; `validation`: the best epoch's."""

    freeze_proof: dict[str, Any]
    trainable_parameters: int
    seconds: float
    stop_reason: str
    best_epoch: int
    validation: dict[str, float | None]

    def write(self, folder: Path) -> None:
        temporary = folder / "result.part"
        temporary.write_text(json.dumps(asdict(self), indent=1))
        temporary.replace(folder / "result.json")


def read(folder: Path) -> Result | None:
    """The result of the run in `folder`; None while it has not ended."""
    path = folder / "result.json"
    return Result(**json.loads(path.read_text())) if path.is_file() else None


def read_measures(folder: Path) -> list[Measure]:
    """The validation outputs of the run in `folder`, one per case."""
    return measure_files.load((folder / "measures.json").read_bytes())[0]
