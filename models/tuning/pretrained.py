"""Published weights, read once with `weights_only=True` and kept as safetensors."""

import os
from pathlib import Path

import torch
from safetensors.torch import save_file

from models import weights
from models.backbone import Backbone
from models.tuning.errors import WeightsError

COUNTERS = "num_batches_tracked"  # old publications lack them; they start at zero


def ready(backbone: Backbone, folder: Path | None, workdir: Path) -> Path:
    """The safetensors file of a backbone's pre-trained weights, converted into `workdir`.

    Raises WeightsError, saying the way out, when this machine has none.
    """
    found = weights.find(backbone, folder)
    if found is None:
        raise WeightsError(weights.missing(backbone, folder))
    if found.suffix == ".safetensors":
        return found
    kept = workdir / f"{backbone.name}.safetensors"
    if not kept.is_file():
        workdir.mkdir(parents=True, exist_ok=True)
        convert(backbone, found, kept)
    return kept


def convert(backbone: Backbone, published: Path, out: Path) -> None:
    """Writes published weights under this project's names, matched by order and checked by shape.

    A publication lists its tensors in the order of the network's layers, whatever it calls them.
    """
    stored = torch.load(published, map_location="cpu", weights_only=True)
    stored = {name: t for name, t in stored.items() if not name.endswith(COUNTERS)}
    classes = next(reversed(stored.values())).shape[0]
    network = backbone.build(classes, None).state_dict()
    named = {name: t for name, t in network.items() if not name.endswith(COUNTERS)}
    pairs = list(zip(named.items(), stored.items(), strict=False))
    wrong = [(a, b) for (a, x), (b, y) in pairs if x.shape != y.shape]
    if wrong or len(named) != len(stored):
        where = f", first at {wrong[0][1]} for {wrong[0][0]}" if wrong else ""
        raise WeightsError(
            f"{published.name}: {len(stored)} tensors do not fit the {len(named)} of "
            f"{backbone.name}{where}"
        )
    kept = {ours: tensor.float().contiguous() for (ours, _), (_, tensor) in pairs}
    kept.update({name: t for name, t in network.items() if name.endswith(COUNTERS)})
    save(kept, {"source": published.name}, out)


def save(tensors: dict[str, torch.Tensor], metadata: dict[str, str], out: Path) -> None:
    """One safetensors file, written aside, synced, renamed: it is whole or it is not there.

    At most one metadata entry: the order of several is not fixed, and with it the file's digest.
    """
    if len(metadata) > 1:
        raise ValueError("safetensors do not fix the order of several metadata entries")
    temporary = out.with_name(f".{out.name}-{os.getpid()}.part")
    try:
        save_file(tensors, temporary, metadata)
        _sync(temporary)
        temporary.replace(out)
        _sync(out.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
