"""Finished models side by side, on the same cases of a data set: of one task, however they were
made.

The models' own test parts are compared only as far as they are the same cases: all of them are
asked here about one part of one pack, each with its own calibration.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from models import stats
from models.discovery import tasks
from models.findings import Labels, Measure
from models.inference.predict import labels_of
from models.spec import preset_of
from models.task import Task
from models.tuning.errors import BadDataError
from models.tuning.finish.evaluate import evaluate
from models.tuning.spec import spec_in


@dataclass(frozen=True)
class Compared:
    """A model measured: how it was made, its cases, and the seconds that one of them took."""

    name: str
    task: Task
    labels: Labels
    measures: list[Measure]
    case_s: float


def compared(folder: Path, pack: Path, split: str) -> Compared:
    """A finished model (a folder with weights.safetensors and card.json) on a part of a pack.

    Raises BadDataError when the part is empty or shows other classes.
    """
    card = json.loads((folder / "card.json").read_text())
    preset, weights = preset_of(card), folder / "weights.safetensors"
    task = tasks()[card["task"]].by(preset)
    started = time.perf_counter()
    found = evaluate(
        spec_in(weights), weights, pack, task, split=split,
        temperature=card["calibration"]["temperature"], scoring=tuple(card.get("scoring", ())),
    )  # fmt: skip
    if not found:
        raise BadDataError(f"the data set has no {split} part")
    case_s = (time.perf_counter() - started) / len(found)
    name = f"{preset}, {card['backbone']}, {card['arm']}"
    return Compared(name, task, labels_of(card), found, case_s)


def table(rows: Sequence[Compared]) -> Table:
    """A column for each model, a row for each value with its 95 % interval by subject."""
    shown = Table("", *(row.name for row in rows))
    found = [stats.intervals(row.measures, stats.every(row.task, row.labels)) for row in rows]
    for name in dict.fromkeys(name for values in found for name in values):
        shown.add_row(name, *(_cell(values.get(name)) for values in found))
    shown.add_row("seconds a case", *(f"{row.case_s:.2f}" for row in rows))
    shown.add_row("cases", *(str(len(row.measures)) for row in rows))
    return shown


def _cell(found: stats.Interval | None) -> str:
    if found is None or found.value is None:
        return ""
    bounds = "" if found.low is None else f" ({found.low:.3g} to {found.high:.3g})"
    return f"{found.value:.3g}{bounds}"
