"""The decoder of map networks as numbers: its widths, and what it costs. Torch is elsewhere."""

from collections.abc import Sequence

from models.backbone import Backbone

FINEST_STRIDE = 2  # the decoder's last maps are half as wide as the input
WIDTHS = {16: 128, 8: 64, 4: 32, 2: 16}  # channels by stride; a third of U-Net's usual cost
WIDEST = 160  # at strides above those


def strides(taps: Sequence[int]) -> list[int]:
    """The strides of the decoder's blocks, deep to shallow: one per skip, then down to two."""
    found = [*sorted(taps, reverse=True)[1:]]
    last = found[-1] if found else max(taps)
    while last > FINEST_STRIDE:
        last = max(FINEST_STRIDE, last // 2)
        found.append(last)
    return found


def widths(taps: Sequence[int]) -> list[int]:
    """Channels of each of the decoder's blocks for taps of these strides, deep to shallow."""
    return [WIDTHS.get(stride, WIDEST) for stride in strides(taps)]


def macs(backbone: Backbone, outputs: int) -> int:
    """Forward multiply-adds of decoder and head for one image, to the nearest padded pixel."""
    taps = [stride for _, _, stride in backbone.taps]
    channels = [count for _, count, _ in sorted(backbone.taps, key=lambda tap: -tap[2])]
    planned, at = widths(taps), strides(taps)
    total, into = 0, channels[0]
    for k, (width, stride) in enumerate(zip(planned, at, strict=True)):
        skip = channels[k + 1] if k + 1 < len(channels) else 0
        pixels = (backbone.input_size // stride) ** 2
        total += 9 * pixels * ((into + skip) * width + width * width)
        into = width
    return total + 9 * (backbone.input_size // at[-1]) ** 2 * into * outputs
