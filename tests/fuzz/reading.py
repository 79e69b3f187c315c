"""`python -m tests.fuzz.bounds reading ROOM FOLDER`: feeds the readers of a room."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz import bounds

LONGER = int(os.environ.get("LAYERTUNE_FUZZ", "1"))
MORE_MB = 1024  # of address space, beyond what a child has once it has imported all it needs
EXAMPLE_S = 8  # of the processor's time
ROOMS: dict[str, tuple[str, ...]] = {
    "archives": ("archive", "profile", "calibration", "wall_cell", "coco"),
    "uploads": ("class_folders", "metadata_csv", "coco_tree", "yolo", "pairs", "cubs", "patients"),
    "pictures": ("image", "mask", "ultrasound"),
    "scans": ("series", "volume", "nifti", "nifti_mask", "segmentation"),
    "films": ("film",),
    "bundles": ("bundle", "network", "card", "weights"),
}


@dataclass(frozen=True)
class Reader:
    """`read` is to return, or to raise one of `refusals`, for everything that `given` draws."""

    given: st.SearchStrategy[Any]
    read: Callable[[Any], object]
    refusals: tuple[type[Exception], ...]
    examples: int = 100  # two thirds of them


def main(room: str, folder: str) -> None:
    # A room is a module, so that a child imports what its readers need and nothing else.
    readers: dict[str, Reader] = importlib.import_module(f"tests.fuzz.rooms.{room}").readers(
        Path(folder)
    )
    bounds.bound(MORE_MB)
    for name in ROOMS[room]:
        _feed(name, readers[name], Path(folder) / bounds.LAST)


def _feed(name: str, reader: Reader, last: Path) -> None:
    counts = {"read": 0, "refused": 0}
    slowest = 0.0

    def one(example: Any) -> None:
        nonlocal slowest
        last.write_bytes(example if isinstance(example, bytes) else repr(example).encode())
        began = bounds.cpu_s()
        bounds.watch(EXAMPLE_S)
        try:
            reader.read(example)
            counts["read"] += 1
        except reader.refusals as refusal:
            assert getattr(refusal, "code", None) or str(refusal), "a refusal without a word"
            counts["refused"] += 1
        finally:
            bounds.watch(0)
            slowest = max(slowest, bounds.cpu_s() - began)

    began = bounds.cpu_s()
    # Longer means others too: with the same seed a run of thousands begins with the same hundred.
    settled = settings(
        max_examples=3 * reader.examples * LONGER // 2, database=None, deadline=None,
        phases=[Phase.generate] if LONGER == 1 else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip
    hypothesis.seed(LONGER)(settled(given(reader.given)(one)))()
    bounds.say(
        reader=name, **counts, slowest_s=round(slowest, 2), peak_mb=bounds.peak_mb(),
        seconds=round(bounds.cpu_s() - began, 1),
    )  # fmt: skip
