"""Depthwise convolutions with the quick gradient: same answers, same tensors, a true gradient."""

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn
from torch.nn import functional

from models.discovery import backbones
from models.spec import Numerics
from models.tuning.depthwise import Depthwise, quickened
from models.tuning.device import precision

BF16 = Numerics("cpu", "bfloat16", 1)
SHAPES = [
    (kernel, stride, side, same)
    for kernel in (3, 5, 7)
    for stride in (1, 2)
    for side in (7, 12)
    for same in (False, True)
]


def convolution(kernel: int, stride: int, same: bool, bias: bool = False) -> nn.Conv2d:
    torch.manual_seed(kernel * 10 + stride)
    if same:
        return Conv2dSame(16, 16, kernel, stride=stride, groups=16, bias=bias)
    return nn.Conv2d(16, 16, kernel, stride=stride, padding=kernel // 2, groups=16, bias=bias)


def maps_of(side: int) -> torch.Tensor:
    found = torch.randn(3, 16, side, side + 3, generator=torch.Generator().manual_seed(side))
    return found.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("kernel", "stride", "side", "same"), SHAPES)
@pytest.mark.parametrize("numerics", [BF16, Numerics("cpu", "float32", 1)], ids=["bf16", "fp32"])
def test_the_answer_is_the_convolutions_bit_for_bit(kernel, stride, side, same, numerics):
    conv, maps = convolution(kernel, stride, same, bias=kernel == 5), maps_of(side)
    with precision(numerics):
        wanted, found = conv(maps), Depthwise(conv)(maps)
        with torch.no_grad():
            frozen = Depthwise(conv)(maps)
    assert found.dtype == wanted.dtype
    assert torch.equal(found, wanted)
    assert torch.equal(found, frozen)


@pytest.mark.parametrize(("kernel", "stride", "side", "same"), SHAPES)
def test_the_gradient_in_bfloat16_is_the_true_one_rounded(kernel, stride, side, same):
    conv, maps = convolution(kernel, stride, same, bias=True), maps_of(side).bfloat16()
    conv.weight.data = conv.weight.data.bfloat16().float()  # both sides multiply the same numbers
    exact = convolution(kernel, stride, same, bias=True).double()
    exact.weight.data = conv.weight.data.double()
    there = maps.double().requires_grad_()
    answer = exact(there)
    pull = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1)).bfloat16()
    answer.backward(pull.double())
    here = maps.clone().requires_grad_()
    quick = Depthwise(conv)
    with precision(BF16):
        out = quick(here)
    out.backward(pull)
    assert here.grad.is_contiguous(memory_format=torch.channels_last)
    for found, wanted in (
        (here.grad, there.grad),
        (quick.weight.grad, exact.weight.grad),
        (quick.bias.grad, exact.bias.grad),
    ):
        assert float((found.double() - wanted).norm() / wanted.norm()) < 0.006  # 8 bits of mantissa


def test_frozen_maps_get_no_gradient_and_the_weight_still_does():
    quick = Depthwise(convolution(5, 2, True))
    with precision(BF16):
        quick(maps_of(12)).float().square().mean().backward()
    assert quick.weight.grad is not None
    assert bool(quick.weight.grad.abs().sum() > 0)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "convnext_tiny", "resnet18", "alexnet"])
def test_a_quickened_network_keeps_its_names_tensors_and_answers(name):
    backbone = backbones()[name]
    torch.manual_seed(0)
    network = backbone.build(2, None).eval()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    images = torch.randn(2, 3, backbone.input_size, backbone.input_size)
    with torch.no_grad():
        wanted = network(images)
    changed = quickened(network)
    after = changed.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    with torch.no_grad():
        torch.testing.assert_close(changed(images), wanted)
    depthwise = sum(isinstance(module, Depthwise) for module in changed.modules())
    assert depthwise == {"efficientnet_lite0": 16, "convnext_tiny": 18}.get(name, 0)


def test_other_convolutions_are_left_as_they_are():
    row = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(4, 4, 1, groups=4),
        nn.Conv2d(4, 4, 3, groups=4, dilation=2),
        nn.Conv2d(4, 4, 3, groups=4, padding_mode="reflect", padding=1),
    )  # fmt: skip
    assert [type(layer) for layer in quickened(row)] == [nn.Conv2d] * 5


def test_the_gradient_is_the_same_whenever_it_is_asked_for():
    conv, found = convolution(5, 1, False), []
    for _ in range(2):
        quick = Depthwise(conv)
        quick.weight.grad = None
        with precision(BF16):
            functional.relu(quick(maps_of(12))).float().sum().backward()
        found.append(quick.weight.grad.clone())
    assert torch.equal(*found)
