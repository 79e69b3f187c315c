"""What a lane's environment does to a training step: the same step with and without it, in turn.

`python -m benchmarks.step [--steps 4] [--rounds 2]`: each round is two fresh processes; one JSON
line. The step is EfficientNet-Lite0 at full depth, 224 px, batch 32, float32 unless native bf16.
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


def steps(count: int) -> float:
    """Median seconds of a step in this process."""
    import torch  # noqa: PLC0415 - the parent must not load it: the environment is read at loading

    from models.discovery import backbones  # noqa: PLC0415
    from models.tuning import device  # noqa: PLC0415

    numerics = device.best()
    device.settle(numerics)
    network = backbones()["efficientnet_lite0"].build(3, None).to(memory_format=torch.channels_last)
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


def child(count: int, environment: dict[str, str]) -> float:
    command = [sys.executable, "-m", "benchmarks.step", "--child", "--steps", str(count)]
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
    given = parser.parse_args()
    if given.child:
        print(steps(given.steps))
        return
    lane, plain = [], []
    for _ in range(given.rounds):
        lane.append(child(given.steps, CALM))
        plain.append(child(given.steps, {}))
    found = {"benchmark": "step", "lane_s": [round(s, 2) for s in lane],
             "plain_s": [round(s, 2) for s in plain],
             "ratio": round(median(lane) / median(plain), 2),
             "cores": os.cpu_count(), "machine": platform.machine()}  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
