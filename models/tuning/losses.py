"""What is minimised: cross-entropy over classes; for maps cross-entropy over pixels plus Dice."""

from functools import cache

import torch
from segmentation_models_pytorch.losses import (  # type: ignore[import-untyped]
    MULTICLASS_MODE,
    DiceLoss,
)
from torch import Tensor, nn
from torch.nn import functional

from models.case import UNKNOWN


def loss_of(logits: Tensor, truth: Tensor) -> Tensor:
    """The mean loss of a batch, in float32.

    logits [n, classes] with truth [n], or [n, 1 + classes, size, size] with truth [n, size, size];
    what is UNKNOWN counts for nothing, and something must be known. The Dice term (Milletari 2016)
    is over the whole batch, of the classes that occur in it; background has none of its own.
    """
    logits = logits.float()
    if logits.ndim == 2:
        return functional.cross_entropy(logits, truth, ignore_index=UNKNOWN)
    known = (truth != UNKNOWN).sum().clamp(min=1)
    pixels = functional.cross_entropy(logits, truth, ignore_index=UNKNOWN, reduction="sum") / known
    overlap: Tensor = _dice(logits.shape[1])(logits, truth)
    return pixels + overlap


@cache
def _dice(outputs: int) -> nn.Module:
    classes = list(range(1, outputs))
    found: nn.Module = DiceLoss(MULTICLASS_MODE, classes=classes, ignore_index=UNKNOWN)
    return found


def scores_of(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Probabilities in float32, over classes (dimension 1)."""
    return torch.softmax(logits.float() / temperature, dim=1)
