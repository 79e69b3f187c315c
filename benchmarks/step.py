"""A training step as a lane does it, without its environment, with the library's gradients, and in
the number format that the lane does not take.

`python -m benchmarks.step [--steps 4] [--rounds 2] [--backbone alexnet]`: each round is four fresh
processes in turn; one JSON line. The step is at full depth, batch 32, float32 unless bf16 is
native; in float32 the gradients are the library's in either way.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import replace
from statistics import median

from worker.children import CALM


def steps(backbone: str, count: int, quick: bool, other: bool) -> float:
    """Median seconds of a step in this process; `quick`: with models.tuning.depthwise; `other`: not
    in the number format that this machine trains in.
    """
    import torch  # noqa: PLC0415 - the parent must not load it: the environment is read at loading

    from models.discovery import backbones  # noqa: PLC0415
    from models.tuning import device  # noqa: PLC0415
    from models.tuning.depthwise import quickened  # noqa: PLC0415

    numerics = device.best()
    if other:
        dtype = "float32" if numerics.dtype == "bfloat16" else "bfloat16"
        numerics = replace(numerics, dtype=dtype)
    device.settle(numerics)
    made = backbones()[backbone]
    network = made.build(3, None).to(memory_format=torch.channels_last)
    network = quickened(network) if quick else network
    images = torch.randn(32, 3, made.input_size, made.input_size)
    images = images.contiguous(memory_format=torch.channels_last)
    taken = []
    for _ in range(count + 1):
        start = time.perf_counter()
        network.zero_grad(set_to_none=True)
        with device.precision(numerics):
            loss = network(images).float().square().mean()
        torch.autograd.backward(loss)
        taken.append(time.perf_counter() - start)
    return median(taken[1:])


def child(given: argparse.Namespace, environment: dict[str, str], *words: str) -> float:
    """Median seconds of a step in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.step", "--child", "--steps", str(given.steps),
               "--backbone", given.backbone, *words]  # fmt: skip
    plain = {name: value for name, value in os.environ.items() if name not in CALM}
    done = subprocess.run(
        command, env=plain | environment, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--library", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--other-format", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        quick = not given.library
        print(steps(given.backbone, given.steps, quick, given.other_format))
        return
    ways: dict[str, tuple[dict[str, str], list[str]]] = {
        "lane_s": (CALM, []),
        "other_environment_s": ({}, []),
        "library_gradients_s": (CALM, ["--library"]),
        "other_format_s": (CALM, ["--other-format"]),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, (environment, words) in ways.items():
            found[name].append(round(child(given, environment, *words), 2))
    shares = {
        f"of_{name.removesuffix('_s')}": round(median(found["lane_s"]) / median(found[name]), 2)
        for name in ways
        if name != "lane_s"
    }
    facts = {"backbone": given.backbone, "cores": os.cpu_count(), "machine": platform.machine()}
    print(json.dumps({"benchmark": "step", **found, **shares, **facts}))


if __name__ == "__main__":
    main()
