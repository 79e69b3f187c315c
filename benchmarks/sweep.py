"""Our sweep against a careful plain loop, arm by arm in turn on the same machine; one JSON line.

    python benchmarks/sweep.py --data ../shared/data/busi --epochs 10 --seeds 0 1

The loop (benchmarks/plain_loop.py) is what a careful person would write by hand.
`--no-loop` leaves the loop out, where its figures are known already and only ours have changed.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the worker gives it to a lane

import numpy as np
import torch

from benchmarks.plain_loop import Bench, decoded, plain_loop
from models.__main__ import pack_of
from models.arms import Arm, normalise, rates
from models.discovery import backbones, tasks
from models.pack import Pack
from models.spec import recipe
from models.sweep import Outcome, next_allowed
from models.tuning import device
from models.tuning.fit import fit
from models.tuning.patches.cutting import prepare
from models.tuning.patches.sets import PatchSet, labels_of
from models.tuning.plan import Tuned, optimiser
from models.tuning.pretrained import ready
from models.tuning.room import quiet
from models.tuning.run import Settings, begin


def ours(bench: Bench, arm: Arm, seed: int, patches: PatchSet, depths) -> tuple[float, float]:
    start = time.perf_counter()
    settings = Settings(bench.folder / "cache" / "prefix", depths=depths)
    folder = bench.folder / "runs" / f"{arm.name.replace(':', '-')}-{seed}"
    epochs = list(
        fit(bench.spec(arm, seed), patches, weights=bench.weights, folder=folder, settings=settings)
    )
    best = max(epoch.validation[bench.task.headline] or 0.0 for epoch in epochs)
    seconds = time.perf_counter() - start
    shutil.rmtree(folder)
    return seconds, best


def shared_pass(bench: Bench, patches: PatchSet, depths: tuple[int, ...]) -> float:
    """Seconds of the one pass that fills the prefix cache for all depths."""
    shallow = normalise([f"depth:{min(depths)}"], len(bench.backbone.layers))[0]
    settings = Settings(bench.folder / "cache" / "prefix", depths=depths)
    start = time.perf_counter()
    begin(
        bench.spec(shallow, 0), patches, bench.weights, bench.folder / "pass", None, settings, quiet
    )
    return time.perf_counter() - start


def plateau_arms(arms: Sequence[Arm], values: dict[str, float]) -> list[str]:
    """The arms that `until_plateau` would have run, given what each reached."""
    runs = [Outcome(arm.name, arm.depth, arm.scratch, 0, 1.0, "queued") for arm in arms]
    ran: list[str] = []
    while waiting := next_allowed("until_plateau", runs):
        name = waiting[0]
        ran.append(name)
        runs = [
            replace(run, state="succeeded", headline=values[name]) if run.id == name else run
            for run in runs
        ]
    return ran


def warm(bench: Bench) -> None:
    """One step outside the clock: what a process pays once for its first step is nobody's."""
    arm = normalise(["scratch"], len(bench.backbone.layers))[0]
    network = bench.backbone.build(2, None).to(memory_format=torch.channels_last)
    tuned = Tuned(network, rates(arm, bench.backbone.layers, bench.recipe))
    steps = optimiser(tuned, bench.recipe)
    size = bench.backbone.input_size
    with device.precision(bench.numerics):
        loss = tuned(torch.zeros(2, 3, size, size)).float().sum()
    loss.backward()
    steps.step()


def measured(
    bench: Bench, arms: Sequence[Arm], seeds: Sequence[int], *, loop: bool
) -> dict[str, object]:
    depths = tuple(arm.depth for arm in arms if not arm.scratch)
    warm(bench)
    start = time.perf_counter()
    patches = prepare(
        bench.pack, bench.task, bench.backbone, bench.recipe,
        workdir=bench.folder / "cache", cache_max_bytes=20 * 2**30,
    )  # fmt: skip
    cutting = time.perf_counter() - start
    passing = shared_pass(bench, patches, depths) if depths else 0.0
    start = time.perf_counter()
    data = decoded(bench, patches) if loop else None
    decoding = time.perf_counter() - start
    loop_s, ours_s, loop_auc, ours_auc = ({arm.name: [] for arm in arms} for _ in range(4))
    for seed in seeds:
        for arm in arms:
            sides = [(ours_s, ours_auc, lambda a=arm, s=seed: ours(bench, a, s, patches, depths))]
            if data is not None:
                plain = (loop_s, loop_auc, lambda a=arm, s=seed: plain_loop(bench, a, s, data))
                sides.insert(0, plain)
            for found, values, run in sides:
                seconds, value = run()
                found[arm.name].append(round(seconds, 2))
                values[arm.name].append(round(value, 4))
            said = f"loop {loop_s[arm.name][-1:]} s {loop_auc[arm.name][-1:]}"
            said += f" ours {ours_s[arm.name][-1:]} s {ours_auc[arm.name][-1:]}"
            print(f"{arm.name} seed {seed}: {said}", file=sys.stderr)
    once = {"cutting": cutting, "pass": passing, "loop_decoding": decoding}
    found = {
        "once_s": {name: round(seconds, 2) for name, seconds in once.items()},
        "ours_s": ours_s, "ours_auc": ours_auc,
    }  # fmt: skip
    if data is None:
        return found
    return {
        **found, "loop_s": loop_s, "loop_auc": loop_auc,
        **ratios(arms, seeds, once, loop_s, ours_s, ours_auc), **quality(arms, loop_auc, ours_auc),
    }  # fmt: skip


def ratios(arms, seeds, once, loop_s, ours_s, ours_auc) -> dict[str, object]:
    """Each seed is a sweep of its own: the pass and the cutting are paid in full by each."""
    exhaustive, plateau, ran = [], [], []
    for k in range(len(seeds)):
        loop = once["loop_decoding"] + sum(loop_s[arm.name][k] for arm in arms)
        fixed = once["cutting"] + once["pass"]
        exhaustive.append((fixed + sum(ours_s[arm.name][k] for arm in arms)) / loop)
        ran = plateau_arms(arms, {arm.name: ours_auc[arm.name][k] for arm in arms})
        plateau.append((fixed + sum(ours_s[name][k] for name in ran)) / loop)
    return {
        "ratio_exhaustive": [round(r, 3) for r in exhaustive],
        "ratio_until_plateau": [round(r, 3) for r in plateau],
        "until_plateau_ran": ran,
    }


def quality(arms, loop_auc, ours_auc) -> dict[str, object]:
    """Ours minus the loop's, over depths, means over seeds."""
    gaps = {
        arm.name: float(np.mean(ours_auc[arm.name]) - np.mean(loop_auc[arm.name]))
        for arm in arms
        if not arm.scratch
    }
    if not gaps:
        return {}
    return {"auc_gap_mean": round(float(np.mean(list(gaps.values()))), 4),
            "auc_gap_worst": min(gaps.items(), key=lambda item: item[1])}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", default="classification")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, help="patch size; default: the backbone's own")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", nargs="+", default=["all"])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--no-loop", action="store_true", help="ours alone")
    given = parser.parse_args()
    task, backbone = tasks()[given.task], backbones()[given.backbone]
    if given.size:  # networks end in a global pooling, so any size will do
        backbone = replace(backbone, input_size=given.size)
        backbones()[given.backbone] = backbone
    arms = normalise("all" if given.arms == ["all"] else given.arms, len(backbone.layers))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pack = pack_of(given.data, given.task, folder)
        with Pack.open(pack) as opened:
            manifest = opened.manifest
        numerics = device.best(given.threads)
        device.settle(numerics)
        bench = Bench(
            pack, manifest, task, backbone, labels_of(manifest, task),
            ready(backbone, None, folder / "weights"),
            recipe(epochs=given.epochs, batch_size=given.batch_size), numerics, folder,
        )  # fmt: skip
        found = measured(bench, arms, given.seeds, loop=not given.no_loop)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    facts = {"benchmark": "sweep", "data": given.data.name, "backbone": backbone.name,
             "size": backbone.input_size, "epochs": given.epochs, "batch": given.batch_size,
             "splits": dict(manifest.splits), "seeds": given.seeds,
             "numerics": [numerics.dtype, numerics.threads], "machine": machine}  # fmt: skip
    print(json.dumps({**facts, **found}))


if __name__ == "__main__":
    main()
