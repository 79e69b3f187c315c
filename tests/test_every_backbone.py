"""Whatever registers as a backbone is tested: partition, counts, shapes, weights, numbers."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from models import weights
from models.backbone import Backbone
from models.discovery import backbones
from models.tuning.errors import WeightsError
from models.tuning.pretrained import convert, ready, save

BACKBONES = list(backbones().values())
SMALL = [backbone for backbone in BACKBONES if sum(backbone.parameters) < 20e6]


@pytest.fixture(scope="module", params=BACKBONES, ids=lambda backbone: backbone.name)
def built(request):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield request.param, request.param.build(2, None).eval()
    torch.set_num_threads(before)


def test_the_children_are_the_layers_in_order(built: tuple[Backbone, nn.Sequential]) -> None:
    backbone, network = built
    assert isinstance(network, nn.Sequential)
    assert tuple(name for name, _ in network.named_children()) == backbone.layers


def test_every_parameter_belongs_to_one_layer(built: tuple[Backbone, nn.Sequential]) -> None:
    backbone, network = built
    counts = tuple(sum(p.numel() for p in layer.parameters()) for layer in network)
    assert counts == backbone.parameters
    assert sum(counts) == sum(p.numel() for p in network.parameters())
    assert all(count > 0 for count in counts)


def test_costs_and_taps_are_what_one_image_shows(built: tuple[Backbone, nn.Sequential]) -> None:
    backbone, network = built
    costs: list[int] = []

    def count(part, _, out):
        each = part.weight[0].numel() if isinstance(part, nn.Conv2d) else part.weight.shape[1]
        costs[-1] += out.numel() * each

    parts = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [part.register_forward_hook(count) for part in parts]
    maps, taps = torch.zeros(1, 3, backbone.input_size, backbone.input_size), {}
    with torch.no_grad():
        for name, layer in network.named_children():
            costs.append(0)
            maps = layer(maps)
            taps[name] = maps.shape
    for handle in handles:
        handle.remove()
    assert tuple(costs) == backbone.flops
    assert maps.shape == (1, 2)
    for name, channels, stride in backbone.taps:
        _, found, height, _ = taps[name]
        assert found == channels
        # unpadded layers lose a rim: AlexNet's 27 instead of 28
        assert abs(height - backbone.input_size / stride) <= 2


@pytest.mark.parametrize("backbone", SMALL, ids=lambda backbone: backbone.name)
def test_weights_survive_the_file_and_a_new_head_is_new(backbone: Backbone, tmp_path) -> None:
    torch.manual_seed(1)
    first = backbone.build(5, None)
    save({k: t.contiguous() for k, t in first.state_dict().items()}, {}, tmp_path / "w.safetensors")
    same = backbone.build(5, str(tmp_path / "w.safetensors")).state_dict()
    assert all(torch.equal(tensor, same[name]) for name, tensor in first.state_dict().items())
    other = backbone.build(3, str(tmp_path / "w.safetensors"))
    head = backbone.layers[-1]
    for name, tensor in other.state_dict().items():
        if not name.startswith(f"{head}."):
            assert torch.equal(tensor, first.state_dict()[name]), name


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path) -> None:
    backbone = backbones()["tiny"]
    state = backbone.build(2, None).state_dict()
    del state["block2.0.weight"]
    save(state, {}, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"w.safetensors: tensor block2.0.weight is missing"):
        backbone.build(2, str(tmp_path / "w.safetensors"))


def test_published_weights_are_matched_by_order_and_checked_by_shape(tmp_path) -> None:
    backbone = backbones()["tiny"]
    state = backbone.build(7, None).state_dict()
    named = OrderedDict(
        (f"theirs.{k}", t) for k, (name, t) in enumerate(state.items()) if "num_batches" not in name
    )
    torch.save(named, tmp_path / "published.pth")
    convert(backbone, tmp_path / "published.pth", tmp_path / "ours.safetensors")
    found = backbone.build(7, str(tmp_path / "ours.safetensors")).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())
    named.popitem()
    torch.save(named, tmp_path / "published.pth")
    with pytest.raises(WeightsError, match="do not fit"):
        convert(backbone, tmp_path / "published.pth", tmp_path / "ours.safetensors")


def test_lite0_reads_its_imagenet_weights_from_the_package(tmp_path) -> None:
    backbone = backbones()["efficientnet_lite0"]
    published = weights.find(backbone)
    assert published is not None and published.suffix == ".pth"
    kept = ready(backbone, None, tmp_path)
    stored = torch.load(published, map_location="cpu", weights_only=True)
    network = backbone.build(1000, str(kept))
    ours = list(network.state_dict().values())
    assert len(stored) == len(ours) == 296
    for theirs, tensor in zip(stored.values(), ours, strict=True):
        assert torch.equal(theirs, tensor)
    # a disc on a plain ground: a trained network is sure of something, a random one is not
    y, x = np.mgrid[:224, :224]
    disc = np.where((x - 112) ** 2 + (y - 112) ** 2 < 60**2, 230, 60).astype(np.float32)
    image = torch.from_numpy((disc - 127) / 128).expand(1, 3, 224, 224)
    with torch.no_grad():
        sure = torch.softmax(network.eval()(image), 1).max()
    assert sure > 0.05


def test_weights_that_are_not_here_are_missed_with_a_way_out(tmp_path) -> None:
    backbone = backbones()["resnet18"]
    assert weights.find(backbone, tmp_path) is None
    said = weights.missing(backbone, tmp_path)
    assert said is not None and "resnet18-f37072fd.pth" in said
    with pytest.raises(WeightsError, match=r"resnet18-f37072fd\.pth"):
        ready(backbone, tmp_path, tmp_path)
    (tmp_path / "resnet18.safetensors").write_bytes(b"")
    assert weights.find(backbone, tmp_path) == tmp_path / "resnet18.safetensors"
    assert weights.missing(backbone, tmp_path) is None


def test_a_new_head_of_lite0_starts_near_not_knowing() -> None:
    """A head of large random weights never unlearns them in the ten epochs of `depth:1`."""
    torch.manual_seed(0)
    head = backbones()["efficientnet_lite0"].build(3, None)[-1]
    assert head.weight.abs().max().item() <= 1280**-0.5


def test_tiny_is_tiny_and_ships_its_weights() -> None:
    found = weights.find(backbones()["tiny"])
    assert found is not None and found.stat().st_size < 300_000


def test_alexnet_is_table_i() -> None:
    backbone = backbones()["alexnet"]
    assert backbone.parameters[5:7] == (37_752_832, 16_781_312)
    assert backbone.parameters[7] == 8_194
    assert sum(backbone.parameters[:5]) == 2_334_080  # 2.33 M with groups
    assert sum(backbone.flops) // 10**6 == 720
