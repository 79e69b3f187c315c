"""A full-depth map network against a plain segmentation_models_pytorch loop; one JSON line.

    python -m benchmarks.segmentation --data ../shared/data/kvasir-seg --task polyp --epochs 12

The loop is what a careful person would write: U-Net on the same ImageNet weights, images decoded
and kept in memory, flips, turns, zooms and colour per step, bfloat16 where native, channels_last,
AdamW under one cycle, Dice + cross-entropy, validation after each epoch at the images' own size.
Ours is one arm of a sweep with all that belongs to it: cutting, checkpoints, validation at the
images' own size, freeze proof. Both keep the best epoch, on the same two parts of the data.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the worker gives it to a lane

import cv2
import numpy as np
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file
from torch import nn

from models.__main__ import pack_of
from models.arms import parse
from models.case import Case
from models.discovery import backbones, tasks
from models.imaging.views import squeezed
from models.pack import Pack
from models.spec import recipe
from models.tuning import device, session
from models.tuning.fit import batched
from models.tuning.patches.cutting import read_case
from models.tuning.patches.sets import labels_of
from models.tuning.pretrained import ready

BATCH, RATE = 16, 1e-3  # of the loop
ENCODER = "tu-tf_efficientnet_lite0"


@dataclass
class Decoded:
    """Cases in memory: pixels and masks at patch size; truth of validation at its own size."""

    pixels: np.ndarray
    masks: np.ndarray
    truths: list[np.ndarray]


def decoded(cases: list[Case], size: int) -> Decoded:
    found = [squeezed(case.pixels, case.mask, size) for case in cases]
    return Decoded(
        np.stack([roi.pixels for roi in found]),
        np.stack([roi.mask for roi in found]),
        [case.mask for case in cases],
    )


def drawn(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator):
    """Flips, a turn to 15 degrees, a zoom of .8 to 1.25, brightness and contrast."""
    size = len(mask)
    if rng.random() < 0.5:
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
    if rng.random() < 0.5:
        pixels, mask = pixels[::-1], mask[::-1]
    turn = cv2.getRotationMatrix2D(
        (size / 2, size / 2), rng.uniform(-15, 15), rng.uniform(0.8, 1.25)
    )
    pixels = cv2.warpAffine(
        np.ascontiguousarray(pixels), turn, (size, size), borderMode=cv2.BORDER_REFLECT_101
    )
    mask = cv2.warpAffine(
        np.ascontiguousarray(mask),
        turn,
        (size, size),
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    changed = pixels.astype(np.float32) * rng.uniform(0.85, 1.15) + rng.uniform(-20, 20)
    return np.clip(changed, 0, 255).astype(np.uint8), mask


def unet(weights: Path, outputs: int) -> nn.Module:
    """U-Net on the backbone's own ImageNet weights, under the names that timm gives them."""
    network = smp.Unet(ENCODER, encoder_weights=None, classes=outputs)
    named = {}
    for name, tensor in load_file(str(weights)).items():
        layer, _, rest = name.partition(".")
        if layer == "stem":
            part, _, rest = rest.partition(".")
            named[f"model.{'conv_stem' if part == '0' else 'bn1'}.{rest}"] = tensor
        elif layer.startswith("block"):
            named[f"model.blocks.{layer.removeprefix('block')}.{rest}"] = tensor
    network.encoder.load_state_dict({name: named[name] for name in network.encoder.state_dict()})
    return network.to(memory_format=torch.channels_last)


def plain_loop(network: nn.Module, train: Decoded, held: Decoded, backbone, epochs: int, numerics):
    """(seconds, best mean Dice of validation, best epoch)."""
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    mean = torch.tensor(backbone.mean).view(1, 3, 1, 1)
    std = torch.tensor(backbone.std).view(1, 3, 1, 1)
    outputs = network.segmentation_head[0].out_channels
    overlap = smp.losses.DiceLoss("multiclass", classes=list(range(1, outputs)))
    steps = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01, fused=True)
    per_epoch = len(batched(np.arange(len(train.pixels)), BATCH))
    cycle = torch.optim.lr_scheduler.OneCycleLR(steps, RATE, total_steps=per_epoch * epochs)
    best = (0.0, 0)

    def maps(pixels: np.ndarray) -> torch.Tensor:
        raw = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        return ((raw - mean) / std).contiguous(memory_format=torch.channels_last)

    for epoch in range(epochs):
        network.train()
        for rows in batched(rng.permutation(len(train.pixels)), BATCH):
            views = [drawn(train.pixels[k], train.masks[k], rng) for k in rows]
            truth = torch.from_numpy(np.stack([mask for _, mask in views]).astype(np.int64))
            with device.precision(numerics):
                logits = network(maps(np.stack([pixels for pixels, _ in views]))).float()
            loss = nn.functional.cross_entropy(logits, truth) + overlap(logits, truth)
            steps.zero_grad()
            loss.backward()
            steps.step()
            cycle.step()
        best = max(best, (dice(network, maps, held, numerics), epoch + 1))
        print(f"loop {epoch + 1}: best {best[0]:.4f}", file=sys.stderr)
    return time.perf_counter() - start, *best


def dice(network: nn.Module, maps, held: Decoded, numerics) -> float:
    """Mean over classes of the mean over images of Dice at the images' own size."""
    network.eval()
    rows: list[list[float]] = []
    with torch.no_grad():
        for start in range(0, len(held.pixels), 32):
            with device.precision(numerics):
                logits = network(maps(held.pixels[start : start + 32]))
            for found, truth in zip(
                torch.softmax(logits.float(), 1).numpy(),
                held.truths[start : start + 32],
                strict=True,
            ):
                height, width = truth.shape
                sized = np.stack([cv2.resize(part, (width, height)) for part in found])
                labels = sized.argmax(0)
                rows.append(
                    [
                        2
                        * ((labels == k) & (truth == k)).sum()
                        / max(1, (labels == k).sum() + (truth == k).sum())
                        if (labels == k).any() or (truth == k).any()
                        else np.nan
                        for k in range(1, len(found))
                    ]
                )
    return float(np.nanmean(np.nanmean(np.array(rows), axis=0)))


def ours(pack: Path, task, backbone, given, weights: Path, folder: Path, numerics):
    """(seconds, validation of the best epoch by headline, best Dice of any epoch)."""
    start = time.perf_counter()
    chosen = recipe("modern", "map", epochs=given.epochs, batch_size=given.batch_size)
    patches = session.prepare(
        pack, task, backbone, chosen, workdir=folder / "cache", cache_max_bytes=20 * 2**30
    )
    cutting = time.perf_counter() - start
    with Pack.open(pack) as opened:
        spec = session.spec_of(
            opened.manifest, task, backbone, given.arm, chosen, numerics=numerics
        )
    epochs = []
    for epoch in session.fit(
        spec,
        patches,
        weights=weights,
        folder=folder / "run",
        settings=session.Settings(folder / "cache" / "prefix"),
    ):
        epochs.append(epoch)
        shown = {
            name: round(value, 4) for name, value in epoch.validation.items() if value is not None
        }
        print(
            f"ours {epoch.epoch}: {epoch.seconds:.1f} s {epoch.loss:.4f} {shown}", file=sys.stderr
        )
    result = session.results.read(folder / "run")
    return time.perf_counter() - start, cutting, result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", default="polyp")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--arm", default=None, help="default: the full depth")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--no-loop", action="store_true", help="ours alone")
    given = parser.parse_args()
    task, backbone = tasks()[given.task], backbones()["efficientnet_lite0"]
    layers = len(backbone.row("map"))
    given.arm = parse(given.arm or f"depth:{layers}", layers).name
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pack = pack_of(given.data, given.task, folder)
        weights = ready(backbone, None, folder / "weights")
        numerics = device.best(given.threads)
        device.settle(numerics)
        found: dict[str, object] = {}
        if not given.no_loop:
            with Pack.open(pack) as opened:
                labels = labels_of(opened.manifest, task)
                parts = [
                    [read_case(files, task, labels) for files in opened.cases(part)]
                    for part in ("train", "validation")
                ]
            start = time.perf_counter()
            train, held = (decoded(cases, backbone.input_size) for cases in parts)
            resizing = time.perf_counter() - start
            network = unet(weights, 1 + len(labels.names))
            seconds, value, epoch = plain_loop(
                network, train, held, backbone, given.epochs, numerics
            )
            found["loop"] = {
                "seconds": round(seconds + resizing, 1),
                "dice": round(value, 4),
                "epoch": epoch,
            }
        seconds, cutting, result = ours(pack, task, backbone, given, weights, folder, numerics)
        found["ours"] = {
            "seconds": round(seconds, 1),
            "cutting": round(cutting, 1),
            "epoch": result.best_epoch,
            **{name: None if v is None else round(v, 4) for name, v in result.validation.items()},
        }
    facts = {
        "benchmark": "segmentation",
        "data": given.data.name,
        "task": task.name,
        "arm": given.arm,
        "epochs": given.epochs,
        "numerics": [numerics.dtype, numerics.threads],
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }
    print(json.dumps({**facts, **found}))


if __name__ == "__main__":
    main()
