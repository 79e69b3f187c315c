"""Whether bfloat16 may answer for float32: measured on validation patches, kept in the card."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.inference.runtime import OpenVinoNetwork, has_bf16

SCORE_TOLERANCE = 0.02  # largest difference of any class score
HEADLINE_TOLERANCE = 0.002  # largest loss of the task's headline metric
CHUNK = 32

Outputs = NDArray[np.float32]
Headline = Callable[[Outputs], float | None]  # outputs [n, classes] -> value
Run = Callable[[NDArray[np.uint8]], Outputs]  # patches -> outputs
Tell = Callable[[int, int], object]  # patches answered, and of how many: each is answered twice


def unheard(done: int, total: int) -> None:
    """Nobody watches."""


def serving(
    onnx: Path, patches: NDArray[np.uint8], headline: Headline | None = None,
    tell: Tell = unheard,
) -> dict[str, Any]:  # fmt: skip
    """`card["serving"]`: how the network may be run, and what was measured to say so.

    `patches` [n, size, size, 3] are the validation ROIs as serving cuts them; they may be memory-
    mapped. Where the processor has no bfloat16, nothing is measured and float32 it stays.
    """
    if not has_bf16():
        return {"bf16": False, "reason": "not measured: this processor has no bfloat16"}
    exact, rough = (
        _outputs(OpenVinoNetwork(onnx, bf16=bf16), patches, again, tell)
        for again, bf16 in enumerate((False, True))
    )
    return compare(exact, rough, headline)


def serving_maps(onnx: Path, value: Callable[[Run], float | None], patches: int) -> dict[str, Any]:
    """The same for label maps, judged by one value of all cases alone: `value(run)` measures them
    with the outputs that `run` gives. A pixel's score at an edge may differ by much and matter
    to nobody.
    """
    if not has_bf16():
        return {"bf16": False, "reason": "not measured: this processor has no bfloat16"}
    exact, rough = (value(OpenVinoNetwork(onnx, bf16=bf16).run) for bf16 in (False, True))
    loss = None if exact is None or rough is None else float(exact - rough)
    return {
        "bf16": loss is not None and loss <= HEADLINE_TOLERANCE,
        "headline_loss": loss,
        "headline_tolerance": HEADLINE_TOLERANCE,
        "patches": patches,
    }


def compare(
    exact: NDArray[np.float32], rough: NDArray[np.float32], headline: Headline | None = None
) -> dict[str, Any]:
    """Float32 outputs against bfloat16 ones, [n, classes] both, within the two tolerances."""
    difference = float(np.abs(exact - rough).max())
    loss = _loss(headline, exact, rough)
    allowed = difference <= SCORE_TOLERANCE and loss is not None and loss <= HEADLINE_TOLERANCE
    return {
        "bf16": allowed,
        "score_difference_max": difference,
        "score_tolerance": SCORE_TOLERANCE,
        "headline_loss": loss,
        "headline_tolerance": HEADLINE_TOLERANCE,
        "patches": len(exact),
    }


def _loss(
    headline: Headline | None, exact: NDArray[np.float32], rough: NDArray[np.float32]
) -> float | None:
    """How much of the headline bfloat16 costs; None if the patches do not determine it."""
    if headline is None:
        return 0.0
    before, after = headline(exact), headline(rough)
    if before is None or after is None:
        return None
    return float(before - after)


def _outputs(
    network: OpenVinoNetwork, patches: NDArray[np.uint8], again: int, tell: Tell
) -> Outputs:
    found = []
    for start in range(0, len(patches), CHUNK):
        found.append(network.run(np.ascontiguousarray(patches[start : start + CHUNK])))
        done = again * len(patches) + min(start + CHUNK, len(patches))
        tell(done, 2 * len(patches))
    return np.concatenate(found)
