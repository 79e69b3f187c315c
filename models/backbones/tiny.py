"""A network of 53 thousand weights for tests, phantoms and the demo; it ships its own weights."""

from typing import TYPE_CHECKING

from models.backbone import Backbone, Weights
from models.backbones.loading import load

if TYPE_CHECKING:
    from torch import nn

# layer: channels in, channels out, stride
PARTS = {
    "stem": (3, 16, 2), "block1": (16, 24, 2), "block2": (24, 32, 1), "block3": (32, 48, 2),
    "block4": (48, 64, 1),
}  # fmt: skip


def build(classes: int, init: str | None) -> "nn.Sequential":
    from collections import OrderedDict

    from torch import nn

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, (into, out, stride) in PARTS.items():
        layers[name] = nn.Sequential(
            nn.Conv2d(into, out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        )
    layers["classifier"] = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, classes)
    )
    return load(nn.Sequential(layers), init)


BACKBONE = Backbone(
    name="tiny",
    input_size=64,
    mean=(127.0, 127.0, 127.0),
    std=(64.0, 64.0, 64.0),
    layers=(*PARTS, "classifier"),
    parameters=(464, 3_504, 6_976, 13_920, 27_776, 130),
    flops=(442_368, 884_736, 1_769_472, 884_736, 1_769_472, 128),
    taps=(("stem", 16, 2), ("block2", 32, 4), ("block4", 64, 8)),
    weights=Weights(
        source="drawn shapes and textures, by `python -m models.tuning.pretrain_tiny`",
        licence="as this repository",
        file="tiny.safetensors",
        shipped="tiny.safetensors",
    ),
    build=build,
)
