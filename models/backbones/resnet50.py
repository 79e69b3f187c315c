"""ResNet-50 (He et al. 2016) by torchvision, in six layers: the stem, four stages, the head."""

from typing import TYPE_CHECKING, Any

from models.backbone import Backbone, Weights
from models.backbones.loading import load

if TYPE_CHECKING:
    from torch import nn


def build(classes: int, init: str | None) -> "nn.Sequential":
    from collections import OrderedDict

    from torch import nn
    from torchvision.models import resnet50  # type: ignore[import-untyped]  # has no stubs

    net: Any = resnet50(weights=None, num_classes=classes)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    for k in range(1, 5):
        layers[f"stage{k}"] = getattr(net, f"layer{k}")
    layers["classifier"] = nn.Sequential(net.avgpool, nn.Flatten(), net.fc)
    return load(nn.Sequential(layers), init)


BACKBONE = Backbone(
    name="resnet50",
    input_size=224,
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    layers=("stem", "stage1", "stage2", "stage3", "stage4", "classifier"),
    parameters=(9_536, 215_808, 1_219_584, 7_098_368, 14_964_736, 4_098),
    flops=(118_013_952, 667_942_912, 1_027_604_480, 1_464_336_384, 809_238_528, 4_096),
    taps=(("stage1", 256, 4), ("stage2", 512, 8), ("stage3", 1024, 16), ("stage4", 2048, 32)),
    weights=Weights(
        source="ImageNet-1k, torchvision ResNet50_Weights.IMAGENET1K_V1",
        licence="BSD-3-Clause",
        file="resnet50-0676ba61.pth",
    ),
    build=build,
)
