"""The model card: what a model is, what it was compared with, and how far it can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from models.arms import parse, rates
from models.backbone import Backbone
from models.findings import Labels, OperatingPoint
from models.pack import Manifest
from models.spec import RunSpec
from models.task import Task

FORMAT = 1
INTENDED_USE = "research use only"
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "opencv-python-headless", "onnx", "openvino",
             "segmentation-models-pytorch")  # fmt: skip

Json = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """What was measured of a finished run, as the card's sections; see `card` for their shape."""

    freeze_proof: Json
    epochs: Json  # {"run", "best", "stop_reason"}
    trainable_parameters: int
    validation: Json  # metric -> {"value", "low", "high"}
    test: Json | None
    test_opened: int  # openings of this data set's test part, this one included
    operating_points: Sequence[OperatingPoint]
    calibration: Json
    digests: Json  # file -> sha256
    verification: Json
    serving: Json
    comparison: Json | None  # the choice and every arm compared, None when registered by hand


def card(
    spec: RunSpec, task: Task, backbone: Backbone, manifest: Manifest, labels: Labels, facts: Facts
) -> Json:
    """JSON for people and programs: what the model is; no cases, file names or times."""
    layers = backbone.row(task.output)
    arm = parse(spec.arm, len(layers))
    plan = zip(layers, rates(arm, layers, spec.recipe), strict=True)
    points = [point.record() for point in facts.operating_points]
    resolved = [point["name"] for point in points if point["threshold"] is not None]
    return {
        "format": FORMAT,
        "intended_use": INTENDED_USE,
        "task": task.name,
        "edition": task.edition,
        "question": task.question,
        "classes": list(labels.names),
        "positive": labels.positive,
        "mask_values": list(labels.values),
        "scoring": list(labels.scoring),
        "headline": task.headline,
        "arm": arm.name,
        "depth": arm.depth,
        "scratch": arm.scratch,
        "backbone": backbone.name,
        "input_size": backbone.input_size,
        "init": "random" if arm.scratch else spec.init,
        "pretrained": _source(backbone, spec, arm.scratch),
        "plan": [{"layer": layer, "learning_rate": rate} for layer, rate in plan],
        "recipe": asdict(spec.recipe),
        "seed": spec.seed,
        "fraction": spec.fraction,
        "numerics": asdict(spec.numerics),
        "spec_digest": spec.digest,
        "trainable_parameters": facts.trainable_parameters,
        "freeze_proof": facts.freeze_proof,
        "epochs": facts.epochs,
        "dataset": _dataset(manifest, spec),
        "validation": facts.validation,
        "test": facts.test,
        "test_opened": facts.test_opened,
        "operating_points": points,
        "operating_point": resolved[0] if resolved else None,
        "calibration": facts.calibration,
        "comparison": facts.comparison,
        "digests": facts.digests,
        "verification": facts.verification,
        "serving": facts.serving,
        "versions": versions(),
    }


def _source(backbone: Backbone, spec: RunSpec, scratch: bool) -> Json | None:
    if scratch or spec.init != "imagenet" or backbone.weights is None:
        return None
    return {"source": backbone.weights.source, "licence": backbone.weights.licence}


def _dataset(manifest: Manifest, spec: RunSpec) -> Json:
    return {
        "digest": manifest.digest,
        "split_digest": spec.split_digest,
        "split_origin": manifest.split_origin,
        "layout": manifest.layout,
        "counts": dict(manifest.counts),
        "classes": dict(manifest.class_counts),
        "splits": dict(manifest.splits),
        "excluded": _codes(manifest.problems),
        "warnings": _codes(manifest.warnings),
    }


def _codes(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How often each code occurs: file names stay in the ledger, a card travels."""
    found: dict[str, int] = {}
    for row in rows:
        found[row["code"]] = found.get(row["code"], 0) + 1
    return found


def versions() -> dict[str, str]:
    """Of the code and of the libraries that take part in a result."""
    found = {}
    for name in ("layertune", *LIBRARIES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found
