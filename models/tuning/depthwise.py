"""Depthwise convolutions with a gradient that is quick on a CPU; what they answer is unchanged.

oneDNN computes a depthwise convolution forward with kernels made for it. In bfloat16 two of its
gradients take the general road, ten times slower and more: to the maps of a strided one, and to
the weights of a 5x5 one. They are two thirds of a training step of EfficientNet-Lite0
(docs/measurements.md). Both can be said as convolutions that it does quickly; the sums are the
same, term by term, their order is not. In float32 and on a GPU everything is as torch does it.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW = 3  # the widest kernel with a quick gradient to its weights in bfloat16
Pads = tuple[int, int, int, int]  # left, right, top, bottom


def quickened(network: nn.Sequential) -> nn.Sequential:
    """The same network, tensors and names; its depthwise convolutions replaced by `Depthwise`."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d) and _is_depthwise(module):
            network.set_submodule(name, Depthwise(module))
    return network


def _is_depthwise(conv: nn.Conv2d) -> bool:
    return (
        1 < conv.groups == conv.in_channels == conv.out_channels
        and conv.kernel_size[0] == conv.kernel_size[1] >= WINDOW
        and conv.stride[0] == conv.stride[1]
        and conv.dilation == (1, 1)
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
    )


class Depthwise(nn.Module):
    """Takes the place of a depthwise nn.Conv2d, or of timm's, which pads as TensorFlow does."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.kernel, self.stride = conv.kernel_size[0], conv.stride[0]
        self.padding = int(conv.padding[0])
        self.same = type(conv).__name__ == "Conv2dSame"

    def forward(self, maps: Tensor) -> Tensor:
        """[n, channels, y, x] -> [n, channels, y', x'], bit for bit what the convolution gives."""
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled(maps.device.type):
            kind = torch.get_autocast_dtype(maps.device.type)
            maps, weight = maps.to(kind), weight.to(kind)
            bias = None if bias is None else bias.to(kind)
        given = (maps, weight, bias, self.stride, self._pads(maps))
        if maps.device.type == "cpu" and maps.dtype == torch.bfloat16 and torch.is_grad_enabled():
            found: Tensor = _Depthwise.apply(*given)
            return found
        return _convolved(*given)

    def _pads(self, maps: Tensor) -> Pads:
        if not self.same:
            return (self.padding,) * 4
        pads: list[int] = []
        for side in reversed(maps.shape[-2:]):
            steps = -(-side // self.stride)
            total = max((steps - 1) * self.stride + self.kernel - side, 0)
            pads += [total // 2, total - total // 2]
        return (pads[0], pads[1], pads[2], pads[3])


def _convolved(
    maps: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pads: Pads
) -> Tensor:
    left, right, top, bottom = pads
    if left == right and top == bottom:
        return functional.conv2d(maps, weight, bias, stride, (top, left), groups=len(weight))
    padded = functional.pad(maps, pads)
    return functional.conv2d(padded, weight, bias, stride, groups=len(weight))


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pads: Pads
    ) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.stride, ctx.pads = stride, pads
        return _convolved(maps, weight, bias, stride, pads)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        to_maps = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_maps = gradient_to_maps(grad, weight, ctx.stride, ctx.pads, maps.shape[-2:])
        if ctx.needs_input_grad[1]:
            padded = functional.pad(maps, ctx.pads)
            to_weight = gradient_to_weight(grad, padded, weight, ctx.stride)
        if ctx.needs_input_grad[2]:
            to_bias = grad.sum((0, 2, 3))
        return to_maps, to_weight, to_bias, None, None


def gradient_to_maps(
    grad: Tensor, weight: Tensor, stride: int, pads: Pads, shape: torch.Size
) -> Tensor:
    """The transpose as a forward pass: the gradient's pixels `stride` apart on a field of zeros,
    under the kernel turned by 180 degrees. [n, channels, *shape], channels last.
    """
    count, channels, rows, columns = grad.shape
    kernel = weight.shape[-1]
    size = (count, channels, shape[0] + kernel - 1, shape[1] + kernel - 1)
    field = torch.empty(size, dtype=grad.dtype, memory_format=torch.channels_last).zero_()
    top, left = kernel - 1 - pads[2], kernel - 1 - pads[0]
    down = slice(top, top + (rows - 1) * stride + 1, stride)
    across = slice(left, left + (columns - 1) * stride + 1, stride)
    field[:, :, down, across] = grad
    return functional.conv2d(field, weight.flip(2, 3), groups=channels)


def gradient_to_weight(grad: Tensor, padded: Tensor, weight: Tensor, stride: int) -> Tensor:
    """[channels, 1, k, k]; a wide kernel's in bfloat16 from windows of 3x3 that cover it."""
    kernel = weight.shape[-1]
    if kernel == WINDOW or weight.dtype != torch.bfloat16:
        return _native(grad, padded, weight, stride)
    found = torch.empty_like(weight, memory_format=torch.contiguous_format)
    starts = sorted({*range(0, kernel - WINDOW, WINDOW), kernel - WINDOW})
    height, width = ((side - 1) * stride + WINDOW for side in grad.shape[-2:])
    window = torch.empty((len(weight), 1, WINDOW, WINDOW), dtype=weight.dtype)
    for y in starts:
        for x in starts:
            part = padded[:, :, y : y + height, x : x + width]
            part = part.contiguous(memory_format=torch.channels_last)
            found[:, :, y : y + WINDOW, x : x + WINDOW] = _native(grad, part, window, stride)
    return found


def _native(grad: Tensor, padded: Tensor, weight: Tensor, stride: int) -> Tensor:
    found: Tensor = torch.ops.aten.convolution_backward(
        grad, padded, weight, None, [stride, stride], [0, 0], [1, 1], False, [0, 0],
        len(weight), [False, True, False],
    )[1]  # fmt: skip
    return found
