"""The face of this room: what a lane, the command line and a benchmark need to run a sweep.

patches = prepare(pack, task, backbone, recipe, workdir=..., cache_max_bytes=...)
spec = spec_of(manifest, task, backbone, arm, recipe, numerics=device.best(), seed=0)
for epoch in fit(spec, patches, weights=ready(backbone, ...), folder=..., checkpoint=...):
    ...                                 # folder/checkpoint.safetensors may be stored now
results.read(folder)                    # None: stopped before the end
finish(pack, task, outcomes, measures_by_run, fetch, room)
"""

from models.tuning import device, results
from models.tuning.checkpoint import Epoch
from models.tuning.finish.completing import Finished, FinishedRun, Room, complete, finish
from models.tuning.finish.evaluate import evaluate
from models.tuning.fit import fit
from models.tuning.patches.cutting import prepare
from models.tuning.patches.sets import PatchSet
from models.tuning.pretrained import ready
from models.tuning.results import Result
from models.tuning.run import Settings
from models.tuning.spec import spec_of, split_digest

__all__ = [
    "Epoch",
    "Finished",
    "FinishedRun",
    "PatchSet",
    "Result",
    "Room",
    "Settings",
    "complete",
    "device",
    "evaluate",
    "finish",
    "fit",
    "prepare",
    "ready",
    "results",
    "spec_of",
    "split_digest",
]
