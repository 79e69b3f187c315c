"""Makes the weights that `tiny` ships: `python -m models.tuning.pretrain_tiny`, minutes on a CPU.

Sixteen classes of drawn pictures (four shapes in four textures, blurred, lit and coloured at
random) teach edges, blobs and textures; nothing of a medical image is in them.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.backbones.tiny import BACKBONE
from models.tuning.device import derive
from models.tuning.prefix.features import Inputs
from models.tuning.pretrained import save
from models.tuning.schedule import one_cycle
from models.weights import BACKBONES

SHAPES, TEXTURES = 4, 4
CLASSES = SHAPES * TEXTURES
SIZE = BACKBONE.input_size
BATCH = 64


def picture(rng: np.random.Generator) -> tuple[NDArray[np.uint8], int]:
    """One picture [size, size, 3] and its class: shape * 4 + texture."""
    shape, texture = int(rng.integers(SHAPES)), int(rng.integers(TEXTURES))
    mask = cv2.GaussianBlur(_shape(rng, shape), (0, 0), rng.uniform(0.5, 2.0))[..., None]
    inside, outside = rng.uniform(20, 235, (2, 3))
    pattern = _texture(rng, texture)[..., None] * rng.uniform(20, 50)
    image = mask * (inside + pattern) + (1 - mask) * (outside + rng.normal(0, 4, (SIZE, SIZE, 1)))
    start, end = rng.uniform(0.6, 1.4, 2)
    light = np.linspace(start, end, SIZE)[:, None]
    image = image * (light if rng.random() < 0.5 else light.T)[..., None]
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.5))
    return np.clip(image, 0, 255).astype(np.uint8), shape * TEXTURES + texture


def _shape(rng: np.random.Generator, kind: int) -> NDArray[np.float32]:
    """A mask in 0..1: ellipse, polygon, ring or a bundle of lines."""
    mask = np.zeros((SIZE, SIZE), dtype=np.float32)
    centre = [int(v) for v in rng.integers(SIZE // 4, 3 * SIZE // 4, 2)]
    radius = int(rng.integers(SIZE // 6, SIZE // 3))
    if kind == 0:
        axes = (radius, int(radius * rng.uniform(0.5, 1.0)))
        cv2.ellipse(mask, centre, axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    elif kind == 1:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 6))))
        corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius + centre
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1.0)
    elif kind == 2:
        cv2.circle(mask, centre, radius, 1.0, int(rng.integers(3, 7)))
    else:
        for _ in range(int(rng.integers(3, 6))):
            ends = rng.integers(0, SIZE, (2, 2)).tolist()
            cv2.line(mask, ends[0], ends[1], 1.0, int(rng.integers(2, 5)))
    return mask


def _texture(rng: np.random.Generator, kind: int) -> NDArray[np.float64]:
    """A pattern of about unit variance: flat, stripes, blobs or grain."""
    y, x = np.mgrid[:SIZE, :SIZE]
    if kind == 0:
        return np.zeros((SIZE, SIZE))
    if kind == 1:
        angle, period = rng.uniform(0, np.pi), rng.uniform(4, 10)
        across = np.cos(angle) * x + np.sin(angle) * y
        return np.asarray(1.4 * np.sin(2 * np.pi * across / period + rng.uniform(0, 6)))
    grain = rng.normal(0, 1, (SIZE, SIZE))
    if kind == 3:
        return grain
    blobs = np.asarray(cv2.GaussianBlur(grain, (0, 0), rng.uniform(1.5, 3.0)), dtype=np.float64)
    return blobs / float(blobs.std())


def train(steps: int, seed: int = 0) -> tuple[nn.Sequential, float]:
    """The trained network, and its accuracy over the last tenth of the (always new) pictures."""
    torch.manual_seed(derive("tiny", seed))
    rng = np.random.default_rng(derive("pictures", seed))
    network = BACKBONE.build(CLASSES, None).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    inputs, right = Inputs.of(BACKBONE, torch.device("cpu")), []
    for step in range(steps):
        drawn = [picture(rng) for _ in range(BATCH)]
        truth = torch.tensor([label for _, label in drawn])
        optimiser.param_groups[0]["lr"] = 4e-3 * one_cycle(step, steps)[0]
        logits = network(inputs(np.stack([image for image, _ in drawn])))
        optimiser.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(logits, truth))
        optimiser.step()
        right.append(float((logits.argmax(1) == truth).float().mean()))
    return network, float(np.mean(right[-max(1, steps // 10) :]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=BACKBONES / "tiny.safetensors")
    given = parser.parse_args()
    network, accuracy = train(given.steps)
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    note = f"{given.steps} steps, accuracy {accuracy:.3f} on {CLASSES} classes"
    save(tensors, {"made": note}, given.out)


if __name__ == "__main__":
    main()
