"""Map networks: the same promises as class networks, with skips, masks and a decoder."""

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

from models.case import UNKNOWN
from models.discovery import backbones, tasks
from models.findings import Labels
from models.inference import predict as serving
from models.inference import runtime
from models.pack import Manifest, Pack, PackedCase, writing
from models.spec import Numerics, recipe
from models.tuning import results
from models.tuning.fit import fit
from models.tuning.local import Plan, tune
from models.tuning.losses import loss_of
from models.tuning.network import MapNetwork, build, onward, taps_of
from models.tuning.patches import cutting
from models.tuning.patches.cutting import prepare
from models.tuning.patches.sets import PatchSet, labels_of
from models.tuning.prefix.cache import PrefixCache
from models.tuning.prefix.features import Features, Inputs, borders
from models.tuning.run import Settings
from models.tuning.spec import spec_of

TINY, TASK = backbones()["tiny"], tasks()["segmentation"]
NUMERICS = Numerics("cpu", "float32", 1)
CHOSEN = recipe(epochs=3, batch_size=7, variants=3)
MAP_ARMS = ("depth:1", "depth:2", "depth:4", "depth:6", "scratch")


def drawn(rng: np.random.Generator, values: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc and a dark bar on noise, and their label map."""
    image = rng.integers(80, 140, (72, 90, 3)).astype(np.uint8)
    mask = np.zeros((72, 90), np.uint8)
    x, y = (int(rng.integers(18, 36)) for _ in range(2))
    cv2.circle(mask, (x, y), 12, values[0], -1)
    cv2.rectangle(mask, (58, 15 + y // 3), (78, 45 + y // 3), values[1], -1)
    image[mask == values[0]] = rng.integers(200, 250, 3)
    image[mask == values[1]] = rng.integers(0, 30, 3)
    return image, mask


def packed(path: Path, values: tuple[int, int] = (1, 2)) -> Path:
    """26 images of 13 subjects whose masks hold the given numbers for disc and bar."""
    rng = np.random.default_rng(5)
    parts = ["train"] * 8 + ["validation"] * 3 + ["test"] * 2
    cases = []
    with writing(path) as writer:
        for index in range(26):
            image, mask = drawn(rng, values)
            number = f"{index + 1:06d}"
            roles = {"image": f"images/{number}.png", "mask": f"masks/{number}.png"}
            for member, pixels in zip(roles.values(), (image[..., ::-1], mask), strict=True):
                writer.add(member, cv2.imencode(".png", pixels)[1].tobytes())
            subject = index // 2
            cases.append(
                PackedCase(
                    f"case_{number}", f"s{subject}", roles, None, parts[subject], (0.5, 0.25)
                )
            )
        splits = {part: 2 * parts.count(part) for part in ("train", "validation", "test")}
        writer.finish(
            Manifest(
                task="segmentation",
                layout="image_mask_pairs",
                classes=("disc", "bar"),
                cases=tuple(cases),
                members=writer.members,
                splits=splits,
                mask_values=values,
            )
        )
    return path


@pytest.fixture(scope="module")
def map_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.mktemp("maps") / "pack.zip")


def cut(pack: Path, folder: Path, backbone=TINY) -> PatchSet:
    return prepare(pack, TASK, backbone, CHOSEN, workdir=folder, cache_max_bytes=1 << 30)


@pytest.fixture(scope="module")
def map_patches(map_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> PatchSet:
    return cut(map_pack, tmp_path_factory.mktemp("cut"))


def asked(pack: Path, arm: str, **given):
    with Pack.open(pack) as opened:
        return spec_of(opened.manifest, TASK, TINY, arm, CHOSEN, numerics=NUMERICS, **given)


def ended(folder: Path) -> str:
    return hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()


# ---- the network ------------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", backbones().values(), ids=lambda backbone: backbone.name)
def test_every_backbone_makes_maps_of_its_input_size_and_its_row_is_a_partition(backbone) -> None:
    torch.manual_seed(0)
    network = build(backbone, 3, None, "map").eval()
    assert tuple(name for name, _ in network.named_children()) == backbone.row("map")
    assert len(network) == backbone.depths["map"]
    size = backbone.input_size
    with torch.no_grad():
        assert network(torch.zeros(1, 3, size, size)).shape == (1, 3, size, size)
    assert sum(p.numel() for layer in network for p in layer.parameters()) == sum(
        p.numel() for p in network.parameters()
    )
    assert [backbone.layers[k] for k in taps_of(network)] == [name for name, _, _ in backbone.taps]


def test_lite0_has_nine_depths_for_maps_and_ten_for_classes() -> None:
    assert backbones()["efficientnet_lite0"].depths == {"classes": 10, "map": 9}


def test_class_weights_start_a_map_network_and_its_own_weights_go_on(tiny_weights, tmp_path):
    torch.manual_seed(1)
    network = build(TINY, 3, tiny_weights, "map")
    published = load_file(tiny_weights)
    assert np.array_equal(network.state_dict()["block4.0.weight"], published["block4.0.weight"])

    save_file({k: t.contiguous() for k, t in network.state_dict().items()}, tmp_path / "m.st")
    again, other = (build(TINY, n, tmp_path / "m.st", "map").state_dict() for n in (3, 4))
    assert all(torch.equal(tensor, again[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(other["block4.0.weight"], again["block4.0.weight"])
    assert other["decoder.head.weight"].shape[0] == 4


def test_a_state_is_the_skips_and_the_last_maps() -> None:
    network = build(TINY, 3, None, "map").eval()
    assert isinstance(network, MapNetwork) and network.taps == (0, 2, 4)
    state = (torch.zeros(1, 3, 64, 64),)
    sizes = []
    for k in range(5):
        state = onward(network, k, state)
        sizes.append([maps.shape[1] for maps in state])
    assert sizes == [[16], [16, 24], [16, 32], [16, 32, 48], [16, 32, 64]]
    assert [borders(network, k) for k in (1, 2, 5)] == [(1,), (1, 2), (1, 3, 5)]


def test_unknown_pixels_neither_teach_nor_count() -> None:
    logits = torch.randn(2, 3, 8, 8, requires_grad=True)
    truth = torch.randint(0, 3, (2, 8, 8))
    truth[:, :4] = UNKNOWN
    torch.autograd.backward(loss_of(logits, truth))
    assert logits.grad is not None
    assert logits.grad[:, :, :4].abs().max() == 0
    assert logits.grad[:, :, 4:].abs().max() > 0
    assert torch.isfinite(loss_of(logits, torch.full((2, 8, 8), UNKNOWN)))


# ---- patches ----------------------------------------------------------------------------------


def test_masks_follow_their_patches_and_truths_keep_their_own_size(map_patches) -> None:
    assert map_patches.masks is not None
    train, held = map_patches.masks
    assert train.shape == map_patches.train.shape[:-1] and held.shape == (6, 64, 64)
    bright = map_patches.validation[held == 1].mean()
    assert bright > 190 > map_patches.validation[held == 2].mean()
    case, rois = map_patches.served(map_patches.validation_rows[0])
    assert case.mask is not None and case.mask.shape == (72, 90)
    assert set(np.unique(case.mask)) == {0, 1, 2}
    assert case.spacing_mm == (0.5, 0.25)
    assert [roi.box_px for roi in rois] == [(0.0, 0.0, 90.0, 72.0)]


def test_masks_may_hold_any_numbers(map_pack, map_patches, tmp_path) -> None:
    other = packed(tmp_path / "pack.zip", (40, 7))
    with Pack.open(other) as opened:
        assert labels_of(opened.manifest, TASK) == Labels(("disc", "bar"), None, (40, 7))
    found = cut(other, tmp_path)
    for mine, theirs in zip(found.masks, map_patches.masks, strict=True):
        assert np.array_equal(mine, theirs)


def test_a_set_read_back_is_the_set_that_was_cut(map_pack, tmp_path, monkeypatch) -> None:
    first = cut(map_pack, tmp_path)
    monkeypatch.setattr(cutting, "_cut", None)
    again = cut(map_pack, tmp_path)
    assert again.validation_rows == first.validation_rows and again.labels == first.labels
    assert np.array_equal(again.truths, first.truths)


# ---- runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("arm", MAP_ARMS)
def test_a_cached_and_an_uncached_map_run_end_in_the_same_bits(
    arm, dtype, map_pack, map_patches, tiny_weights, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("models.tuning.prefix.cache.worth", lambda _: True)
    spec = replace(asked(map_pack, arm), numerics=replace(NUMERICS, dtype=dtype))
    settings = {"plain": Settings(), "quick": Settings(cache=tmp_path / "prefix")}
    for name, given in settings.items():
        list(fit(spec, map_patches, weights=tiny_weights, folder=tmp_path / name, settings=given))
    assert ended(tmp_path / "plain") == ended(tmp_path / "quick")
    if arm not in ("scratch", "depth:6"):
        assert any(file.suffix == ".maps" for file in (tmp_path / "prefix").rglob("*"))


@pytest.mark.parametrize("kept", [(5,), (1, 5), (3,), (1, 3, 5), ()])
def test_whatever_skips_are_stored_the_state_is_the_same(
    kept, map_patches, tiny_weights, tmp_path
) -> None:
    """A byte budget may keep any of them; the rest is computed from what lies below."""

    network = build(TINY, 3, tiny_weights, "map").eval()
    inputs = Inputs.of(TINY, torch.device("cpu"))
    plain = Features(map_patches, inputs, network, NUMERICS)
    cache = PrefixCache(tmp_path / "prefix", 1 << 30, plain)
    cache.ensure([5])
    maps = {k: found for k, found in cache.stored(5).items() if k in kept}
    flat = np.array([3, 0, 40])
    for one, other in zip(plain.at(5, flat), replace(plain, maps=maps).at(5, flat), strict=True):
        assert torch.equal(one, other)


def test_an_interrupted_map_run_ends_in_the_bits_of_an_uninterrupted_one(
    map_pack, map_patches, tiny_weights, tmp_path
) -> None:
    spec = asked(map_pack, "depth:3")
    list(fit(spec, map_patches, weights=tiny_weights, folder=tmp_path / "whole"))
    begun = fit(spec, map_patches, weights=tiny_weights, folder=tmp_path / "parts")
    next(begun)
    begun.close()
    kept = tmp_path / "parts" / "checkpoint.safetensors"
    folder = tmp_path / "parts"
    list(fit(spec, map_patches, weights=tiny_weights, folder=folder, checkpoint=kept))
    assert ended(tmp_path / "whole") == ended(folder)


def test_depth_one_tunes_the_decoder_and_nothing_else(
    map_pack, map_patches, tiny_weights, tmp_path
) -> None:
    spec = asked(map_pack, "depth:1")
    list(fit(spec, map_patches, weights=tiny_weights, folder=tmp_path / "run"))
    found, published = load_file(tmp_path / "run" / "weights.safetensors"), load_file(tiny_weights)
    for name, tensor in published.items():
        if not name.startswith("classifier."):
            assert np.array_equal(found[name], tensor), name


def test_the_epoch_of_the_lowest_loss_is_kept(
    map_pack, map_patches, tiny_weights, tmp_path
) -> None:
    spec = asked(map_pack, "depth:6")
    epochs = list(fit(spec, map_patches, weights=tiny_weights, folder=tmp_path / "run"))
    losses = [epoch.validation["loss"] for epoch in epochs]
    result = results.read(tmp_path / "run")
    assert result is not None and result.best_epoch == 1 + int(np.argmin(losses))
    assert result.validation["loss"] == min(losses)


# ---- a whole sweep ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(map_pack, tiny_weights, tmp_path_factory):
    plan = Plan(
        pack=map_pack, task=TASK, backbone=TINY, weights=tiny_weights, init="imagenet",
        arms=["depth:1", "depth:6"], policy="exhaustive",
        recipe=recipe(epochs=12, batch_size=4, variants=6), numerics=NUMERICS,
        folder=tmp_path_factory.mktemp("sweep"),
    )  # fmt: skip
    return plan, tune(plan)


def test_a_sweep_of_maps_ends_in_a_model_that_segments(made) -> None:
    _, finished = made
    card = finished.card
    assert card["headline"] == "dice" and card["classes"] == ["disc", "bar"]
    assert [row["layer"] for row in card["plan"]][-1] == "decoder"
    assert card["test"]["dice"]["value"] > 0.8
    assert card["calibration"]["method"] == "temperature over pixels"
    assert card["verification"]["max_difference"] < 1e-3


def test_the_served_map_is_the_measured_one(made, map_pack) -> None:
    """The road from pixels to the answer is one: serving repeats the measure of the test part."""
    plan, finished = made
    network = runtime.load(plan.folder / "model" / "model.onnx", bf16=False)
    assert network.is_map and network.classes == 3
    measured = {row.case_id: row for row in finished.test}
    labels = serving.labels_of(finished.card)
    with Pack.open(map_pack) as opened:
        for files in opened.cases("test"):
            case = TASK.read(files)
            answer = serving.predict(
                TASK, network, finished.card, case.pixels, None, case.spacing_mm
            )
            assert set(answer.finding.classes) == {"disc", "bar"}
            area = answer.finding.classes["disc"]
            counts = measured[files.case_id].scores.reshape(len(labels.names), -1)
            assert area.area_px == pytest.approx(counts[0, 1], abs=2)
            assert area.area_mm2 == pytest.approx(area.area_px * 0.125)
