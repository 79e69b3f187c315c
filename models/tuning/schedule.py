"""Learning rates as a function of the step alone, so that a resumed run needs no state for them."""

import math

import torch

from models.spec import Recipe

WARM = 0.3  # share of the steps in which a one-cycle rate rises
START, END = 1 / 25, 1 / 250_000  # of the peak, before and after
MOMENTUM = (0.95, 0.85)  # away from the peak, at the peak


def one_cycle(step: int, steps: int) -> tuple[float, float]:
    """(share of the peak rate, momentum) of one step: cosine up, cosine down (Smith 2018).

    A schedule of one step is at its peak: at its end nothing would move.
    """
    if steps == 1:
        return 1.0, MOMENTUM[1]
    top = WARM * steps - 1
    if step <= top:
        return _cosine(START, 1.0, step / top), _cosine(*MOMENTUM, step / top)
    done = (step - top) / (steps - 1 - top)
    return _cosine(1.0, END, done), _cosine(MOMENTUM[1], MOMENTUM[0], done)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def set_rates(
    optimiser: torch.optim.Optimizer, recipe: Recipe, step: int, steps_per_epoch: int
) -> float:
    """Sets every group's rate for this step; answers the highest."""
    if recipe.schedule == "step":  # the paper's: x decay per finished epoch
        share = recipe.decay ** (step // steps_per_epoch)
        momentum = None
    else:
        share, momentum = one_cycle(step, recipe.epochs * steps_per_epoch)
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * share
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif momentum is not None:
            group["momentum"] = momentum
    return max(float(group["lr"]) for group in optimiser.param_groups)
