"""Learning rates as a function of the step."""

import pytest
import torch

from models.spec import recipe
from models.tuning.schedule import one_cycle, set_rates


def test_one_cycle_is_the_published_cycle() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    reference = torch.optim.AdamW([parameter], lr=1.0)
    cycle = torch.optim.lr_scheduler.OneCycleLR(reference, max_lr=1.0, total_steps=40)
    for step in range(40):
        share, momentum = one_cycle(step, 40)
        assert share == pytest.approx(reference.param_groups[0]["lr"], abs=1e-9)
        assert momentum == pytest.approx(reference.param_groups[0]["betas"][0], abs=1e-9)
        reference.step()
        if step < 39:
            cycle.step()


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7])
def test_the_shortest_runs_have_finite_rates(steps: int) -> None:
    assert all(0 < one_cycle(step, steps)[0] <= 1 for step in range(steps))


def test_a_run_of_one_step_takes_it_at_its_peak() -> None:
    """A fourth of a millionth of it would move no norm weight, and the freeze proof would fail."""
    assert one_cycle(0, 1) == (1.0, 0.85)


def test_the_paper_multiplies_by_095_per_finished_epoch() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    group = {"params": [parameter], "peak": 0.01}
    steps = torch.optim.SGD([group], lr=0.01, momentum=0.9)
    rates = [set_rates(steps, recipe("paper"), step, 5) for step in (0, 4, 5, 10)]
    assert rates == pytest.approx([0.01, 0.01, 0.0095, 0.009025])
    assert steps.param_groups[0]["momentum"] == 0.9
