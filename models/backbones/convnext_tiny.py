"""ConvNeXt-Tiny (Liu et al. 2022) by torchvision, in six layers: stem, four stages, head."""

from typing import TYPE_CHECKING, Any

from models.backbone import Backbone, Weights
from models.backbones.loading import load

if TYPE_CHECKING:
    from torch import nn


def build(classes: int, init: str | None) -> "nn.Sequential":
    from collections import OrderedDict

    from torch import nn
    from torchvision.models import convnext_tiny  # type: ignore[import-untyped]  # has no stubs

    net: Any = convnext_tiny(weights=None, num_classes=classes)
    parts = net.features
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=parts[0], stage1=parts[1])
    for k in range(2, 5):  # a stage is entered through its downsampling
        layers[f"stage{k}"] = nn.Sequential(parts[2 * k - 2], parts[2 * k - 1])
    layers["classifier"] = nn.Sequential(net.avgpool, *net.classifier)
    return load(nn.Sequential(layers), init)


BACKBONE = Backbone(
    name="convnext_tiny",
    input_size=224,
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    layers=("stem", "stage1", "stage2", "stage3", "stage4", "classifier"),
    parameters=(4_896, 237_888, 992_256, 11_112_960, 15_470_592, 3_074),
    flops=(14_450_688, 737_888_256, 773_563_392, 2_171_893_248, 756_967_680, 1_536),
    taps=(("stage1", 96, 4), ("stage2", 192, 8), ("stage3", 384, 16), ("stage4", 768, 32)),
    weights=Weights(
        source="ImageNet-1k, torchvision ConvNeXt_Tiny_Weights.IMAGENET1K_V1",
        licence="BSD-3-Clause",
        file="convnext_tiny-983f1562.pth",
    ),
    build=build,
)
