"""The paper's network: Caffe's AlexNet (paper 1.1, Table I), from scratch or an imported file.

Table I gives kernels, strides, pads and outputs. Local response normalisation after conv1 and
conv2, two groups in conv2, conv4 and conv5, and dropout after fc6 and fc7 are not in it: they
come from Caffe's definition of the network that the paper says it starts from.
"""

from typing import TYPE_CHECKING

from models.backbone import Backbone, Weights
from models.backbones.loading import load

if TYPE_CHECKING:
    from torch import nn

# Caffe's Gaussian initialisation: layer -> (standard deviation of weights, bias)
INITIAL = {
    "conv1": (0.01, 0.0), "conv2": (0.01, 0.1), "conv3": (0.01, 0.0), "conv4": (0.01, 0.1),
    "conv5": (0.01, 0.1), "fc6": (0.005, 0.1), "fc7": (0.005, 0.1), "fc8": (0.01, 0.0),
}  # fmt: skip


def build(classes: int, init: str | None) -> "nn.Sequential":
    from collections import OrderedDict

    from torch import nn

    def normalise() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)

    layers = OrderedDict(
        conv1=nn.Sequential(
            nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), normalise(), nn.MaxPool2d(3, 2)
        ),
        conv2=nn.Sequential(
            nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), normalise(), nn.MaxPool2d(3, 2)
        ),
        conv3=nn.Sequential(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
        conv4=nn.Sequential(nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU()),
        conv5=nn.Sequential(
            nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2)
        ),
        fc6=nn.Sequential(nn.Flatten(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(), nn.Dropout(0.5)),
        fc7=nn.Sequential(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5)),
        fc8=nn.Linear(4096, classes),
    )
    network = nn.Sequential(layers)
    for name, layer in layers.items():
        _initialise(layer, *INITIAL[name])
    return load(network, init)


def _initialise(layer: "nn.Module", std: float, bias: float) -> None:
    from torch import nn

    for part in layer.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.normal_(part.weight, std=std)
            if part.bias is not None:
                nn.init.constant_(part.bias, bias)


BACKBONE = Backbone(
    name="alexnet",
    input_size=227,
    mean=(123.0, 117.0, 104.0),  # RGB; a file imported from Caffe must have conv1 turned from BGR
    std=(1.0, 1.0, 1.0),
    layers=("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"),
    parameters=(34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 8_194),
    flops=(
        105_415_200,
        223_948_800,
        149_520_384,
        112_140_288,
        74_760_192,
        37_748_736,
        16_777_216,
        8_192,
    ),
    taps=(("conv1", 96, 8), ("conv2", 256, 16), ("conv5", 256, 32)),
    weights=Weights(
        source="ImageNet-1k, Caffe's AlexNet, imported by the user as conv1.0.weight ...",
        licence="as the imported file says",
        file="alexnet.safetensors",
    ),
    build=build,
)
