"""torchvision's AlexNet: another network than the paper's (fewer filters, no LRN, no groups)."""

from typing import TYPE_CHECKING, Any

from models.backbone import Backbone, Weights
from models.backbones.loading import load

if TYPE_CHECKING:
    from torch import nn


def build(classes: int, init: str | None) -> "nn.Sequential":
    from collections import OrderedDict

    from torch import nn
    from torchvision.models import alexnet  # type: ignore[import-untyped]  # has no stubs

    net: Any = alexnet(weights=None, num_classes=classes)
    conv, full = net.features, net.classifier
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv1"] = conv[0:3]
    layers["conv2"] = conv[3:6]
    layers["conv3"] = conv[6:8]
    layers["conv4"] = conv[8:10]
    # net.avgpool to 6 x 6 is the identity at 224 pixels and left out
    layers["conv5"] = conv[10:13]
    layers["fc6"] = nn.Sequential(nn.Flatten(), *full[0:3])
    layers["fc7"] = full[3:6]
    layers["fc8"] = full[6]
    return load(nn.Sequential(layers), init)


BACKBONE = Backbone(
    name="alexnet_torchvision",
    input_size=224,
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    layers=("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"),
    parameters=(23_296, 307_392, 663_936, 884_992, 590_080, 37_752_832, 16_781_312, 8_194),
    flops=(
        70_276_800,
        223_948_800,
        112_140_288,
        149_520_384,
        99_680_256,
        37_748_736,
        16_777_216,
        8_192,
    ),
    taps=(("conv1", 64, 8), ("conv2", 192, 16), ("conv5", 256, 32)),
    weights=Weights(
        source="ImageNet-1k, torchvision AlexNet_Weights.IMAGENET1K_V1",
        licence="BSD-3-Clause",
        file="alexnet-owt-7be5be79.pth",
    ),
    build=build,
)
