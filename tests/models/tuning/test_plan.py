"""A plan on a network: frozen stays frozen, rates are Table II's."""

import pytest
import torch
from torch import nn

from models.arms import parse, rates
from models.discovery import backbones
from models.spec import recipe
from models.tuning.errors import FreezeError
from models.tuning.plan import Tuned, Witness, digest, optimiser

ALEXNET = backbones()["alexnet"].layers


def tiny(arm: str) -> Tuned:
    backbone = backbones()["tiny"]
    plan = rates(parse(arm, len(backbone.layers)), backbone.layers, recipe("modern"))
    return Tuned(backbone.build(2, None), plan)


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ("depth:1", [0, 0, 0, 0, 0, 0, 0, 0.01]),
        ("depth:3", [0, 0, 0, 0, 0, 0.001, 0.001, 0.01]),
        ("depth:8", [0.001] * 7 + [0.01]),
        ("scratch", [0.001] * 8),
    ],
)
def test_the_paper_preset_gives_the_rates_of_table_ii(arm: str, expected: list[float]) -> None:
    plan = rates(parse(arm, 8), ALEXNET, recipe("paper"))
    assert plan == pytest.approx(expected)


def test_train_does_not_wake_a_frozen_layer() -> None:
    tuned = tiny("depth:2")
    tuned.eval()
    tuned.train()
    awake = [layer.training for layer in tuned.network]
    assert awake == [False, False, False, False, True, True]
    assert all(not part.training for part in tuned.network[0].modules())


def test_a_frozen_layer_keeps_weights_statistics_and_dropout() -> None:
    frozen = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.9), nn.Flatten())
    head = nn.Sequential(nn.Linear(4 * 36, 2))
    tuned = Tuned(nn.Sequential(frozen, head), (0.0, 0.1))
    before = digest(tuned.tensors(frozen=True).items())
    maps = torch.rand(5, 3, 8, 8)
    first = frozen(maps)
    for _ in range(3):
        tuned.train()
        tuned.network[1](frozen(maps)).sum().backward()
    assert digest(tuned.tensors(frozen=True).items()) == before
    assert torch.equal(frozen(maps), first)  # no dropout, no batch statistics
    assert all(parameter.grad is None for parameter in frozen.parameters())


def test_the_prefix_is_what_lies_frozen_before_the_first_tuned_layer() -> None:
    assert [tiny(f"depth:{k}").prefix for k in (1, 3, 6)] == [5, 3, 0]
    assert tiny("scratch").prefix == 0
    block = Tuned(backbones()["tiny"].build(2, None), (0, 0.1, 0, 0, 0, 0.1))
    assert block.prefix == 1


def test_a_plan_that_tunes_nothing_is_refused() -> None:
    network = backbones()["tiny"].build(2, None)
    with pytest.raises(ValueError, match="tunes nothing"):
        Tuned(network, (0.0,) * 6)
    with pytest.raises(ValueError, match="2 rates for 6 layers"):
        Tuned(network, (0.1, 0.1))


def test_the_witness_tells_a_frozen_tensor_that_moved() -> None:
    tuned = tiny("depth:1")
    before = Witness.of(tuned)
    with torch.no_grad():
        tuned.network[-1][-1].weight.add_(1.0)
        tuned.network[-1][-1].bias.add_(1.0)
        assert before.proof(Witness.of(tuned))["frozen_unchanged"] is True
        tuned.network[0][1].running_mean.add_(1e-7)
    with pytest.raises(FreezeError, match="frozen tensors has changed"):
        before.proof(Witness.of(tuned))


def test_the_witness_tells_a_trainable_tensor_that_did_not_move() -> None:
    tuned = tiny("depth:1")
    before = Witness.of(tuned)
    with torch.no_grad():
        tuned.network[-1][-1].weight.add_(1.0)
    with pytest.raises(FreezeError, match=r"classifier\.3\.bias"):
        before.proof(Witness.of(tuned))


def test_the_paper_moves_biases_twice_as_fast_and_decays_weights_only() -> None:
    chosen = recipe("paper")
    plan = rates(parse("depth:2", 6), backbones()["tiny"].layers, chosen)
    groups = optimiser(Tuned(backbones()["tiny"].build(2, None), plan), chosen).param_groups
    found = {(group["peak"], group["weight_decay"]): len(group["params"]) for group in groups}
    # block4: conv weight; norm weight; norm bias. classifier: weight; bias
    assert found == {
        (0.001, 5e-4): 1, (0.001, 0.0): 1, (0.002, 0.0): 1, (0.01, 5e-4): 1, (0.02, 0.0): 1
    }  # fmt: skip
    assert all(group["momentum"] == 0.9 for group in groups)
