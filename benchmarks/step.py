"""A training step as a lane does it, without its environment, and with the library's gradients.

`python -m benchmarks.step [--steps 4] [--rounds 2]`: each round is three fresh processes in turn;
one JSON line. The step is EfficientNet-Lite0 at full depth, 224 px, batch 32, float32 unless
native bf16; in float32 the gradients are the library's on both sides.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from statistics import median

from worker.children import CALM


def steps(count: int, quick: bool) -> float:
    """Median seconds of a step in this process; `quick`: with models.tuning.depthwise."""
    import torch  # noqa: PLC0415 - the parent must not load it: the environment is read at loading

    from models.discovery import backbones  # noqa: PLC0415
    from models.tuning import device  # noqa: PLC0415
    from models.tuning.depthwise import quickened  # noqa: PLC0415

    numerics = device.best()
    device.settle(numerics)
    network = backbones()["efficientnet_lite0"].build(3, None).to(memory_format=torch.channels_last)
    network = quickened(network) if quick else network
    images = torch.randn(32, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    taken = []
    for _ in range(count + 1):
        start = time.perf_counter()
        network.zero_grad(set_to_none=True)
        with device.precision(numerics):
            loss = network(images).float().square().mean()
        torch.autograd.backward(loss)
        taken.append(time.perf_counter() - start)
    return median(taken[1:])


def child(count: int, environment: dict[str, str], *words: str) -> float:
    command = [sys.executable, "-m", "benchmarks.step", "--child", "--steps", str(count), *words]
    plain = {name: value for name, value in os.environ.items() if name not in CALM}
    done = subprocess.run(
        command, env=plain | environment, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--library", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(steps(given.steps, not given.library))
        return
    ways: dict[str, tuple[dict[str, str], list[str]]] = {
        "lane_s": (CALM, []),
        "other_environment_s": ({}, []),
        "library_gradients_s": (CALM, ["--library"]),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, (environment, words) in ways.items():
            found[name].append(round(child(given.steps, environment, *words), 2))
    shares = {
        f"of_{name.removesuffix('_s')}": round(median(found["lane_s"]) / median(found[name]), 2)
        for name in ways
        if name != "lane_s"
    }
    facts = {"cores": os.cpu_count(), "machine": platform.machine()}
    print(json.dumps({"benchmark": "step", **found, **shares, **facts}))


if __name__ == "__main__":
    main()
