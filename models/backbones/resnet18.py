"""ResNet-18 (He et al. 2016) by torchvision, in six layers: the stem, four stages, the head."""

from typing import TYPE_CHECKING, Any

from models.backbone import Backbone, Weights
from models.backbones.loading import load

if TYPE_CHECKING:
    from torch import nn


def build(classes: int, init: str | None) -> "nn.Sequential":
    from collections import OrderedDict

    from torch import nn
    from torchvision.models import resnet18  # type: ignore[import-untyped]  # has no stubs

    net: Any = resnet18(weights=None, num_classes=classes)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    for k in range(1, 5):
        layers[f"stage{k}"] = getattr(net, f"layer{k}")
    layers["classifier"] = nn.Sequential(net.avgpool, nn.Flatten(), net.fc)
    return load(nn.Sequential(layers), init)


BACKBONE = Backbone(
    name="resnet18",
    input_size=224,
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    layers=("stem", "stage1", "stage2", "stage3", "stage4", "classifier"),
    parameters=(9_536, 147_968, 525_568, 2_099_712, 8_393_728, 1_026),
    flops=(118_013_952, 462_422_016, 411_041_792, 411_041_792, 411_041_792, 1_024),
    taps=(("stage1", 64, 4), ("stage2", 128, 8), ("stage3", 256, 16), ("stage4", 512, 32)),
    weights=Weights(
        source="ImageNet-1k, torchvision ResNet18_Weights.IMAGENET1K_V1",
        licence="BSD-3-Clause",
        file="resnet18-f37072fd.pth",
    ),
    build=build,
)
