"""A model that comes from elsewhere: a zip of network, card and weights, trusted in nothing.

Nothing in it is ever unpickled or executed: the network is read as a graph, the weights as
safetensors, the card as JSON, each under a limit on its size.
"""

import errno
import hashlib
import json
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from safetensors import SafetensorError, safe_open

from models.case import UNKNOWN
from models.door.archive_zip import METHODS, TooManyError, directory_of
from models.inference.runtime import NetworkError, load
from models.spec import preset_of
from models.task import Task

LIMITS = {
    "card.json": 4 << 20,
    "model.onnx": 1 << 30,
    "weights.safetensors": 1 << 30,
}
MEMBERS_MAX = 1000  # three are known: more names than that are none that a person could mean
NEEDED = ("card.json", "model.onnx")
CONTENTS = "a bundle has card.json, model.onnx and, to be tuned further, weights.safetensors"
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib", ".npy", ".npz")
NO_ZIP = "the bundle is no readable zip: pack it anew"
NO_PICKLES = "pickles and the like can run code and are never read; export safetensors or ONNX"
FRACTIONS = ("threshold", "sensitivity", "specificity", "low", "high")
RATES = ("fp_per_image", "fp_per_volume")
NUMBER_MAX = 1e6  # beyond it no rate and no coefficient means anything
DEEPEST = 32  # levels of a card: ours have five
DOMAINS = {"", "ai.onnx"}
BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError,
    RuntimeError, EOFError, ValueError, IndexError, TooManyError,
)  # fmt: skip  # zipfile lets all of these out when fed with damaged archives
# A graph may be valid ONNX and still not run: that the engine raises, and NumPy for odd shapes.
NOT_RUNNING = (RuntimeError, ValueError, IndexError, TypeError, OverflowError)
INVALID = (
    DecodeError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError,
    UnicodeDecodeError,  # its checker quotes a name that is none
)  # fmt: skip
SUM_TOLERANCE = 1e-3  # how far a row of scores may be from summing to one
CHUNK = 1 << 20
# Written by the service that keeps the model, so worth nothing when they come from elsewhere;
# `serving` is what was measured on another machine.
OWN_FIELDS = ("id", "state", "files", "failure", "created_at", "created_by", "digest", "serving")


class BundleError(Exception):
    """A bundle that is not taken: a stable `code`; the message names member and way out."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True)
class Member:
    """A verified file of the bundle, unpacked."""

    path: Path
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Bundle:
    card: dict[str, Any]
    members: Mapping[str, Member]


def read(path: Path, folder: Path, tasks: Mapping[str, Task]) -> Bundle:
    """Unpacks a bundle into `folder` and verifies every member. Raises BundleError."""
    try:
        with path.open("rb") as file, directory_of(file, MEMBERS_MAX) as archive:
            members = {info.filename: _unpack(archive, info, folder) for info in _infos(archive)}
    except (*BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # a full disk is no fault of the bundle; a place before its start is
        raise BundleError("not_a_bundle", NO_ZIP) from error
    for name in NEEDED:
        if name not in members:
            raise BundleError("incomplete_bundle", f"{name} is missing: {CONTENTS}")
    card = _card(members["card.json"].path, tasks)
    is_map = tasks[card["task"]].by(preset_of(card)).output == "map"
    _check_network(members["model.onnx"].path, len(card["classes"]) + is_map, is_map)
    if "weights.safetensors" in members:
        _check_weights(members["weights.safetensors"].path)
    return Bundle(card, members)


def _infos(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    found = archive.infolist()
    names = [info.filename for info in found]
    for info in found:
        name = info.filename[:80]
        if name.lower().endswith(PICKLES):
            raise BundleError("pickle_refused", f"{name}: {NO_PICKLES}")
        if info.filename not in LIMITS:
            raise BundleError("unknown_member", f"{name}: {CONTENTS}")
        if info.flag_bits & 1:
            raise BundleError("encrypted", f"{info.filename}: encrypted; send it in the clear")
        if info.compress_type not in METHODS:
            detail = f"{info.filename}: compressed by method {info.compress_type}; store or deflate"
            raise BundleError("unsupported_compression", detail)
    if len(set(names)) != len(names):
        raise BundleError("not_a_bundle", "a member occurs twice")
    return found


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path) -> Member:
    """Writes a member to disk, stopping at its limit whatever the zip says of its size."""
    limit, size, digest = LIMITS[info.filename], 0, hashlib.sha256()
    target = folder / info.filename
    with archive.open(info) as source, target.open("xb") as sink:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > limit:
                raise BundleError("too_large", f"{info.filename}: more than {limit} bytes")
            digest.update(chunk)
            sink.write(chunk)
    return Member(target, digest.hexdigest(), size)


# ---- the card -------------------------------------------------------------------------------


def _card(path: Path, tasks: Mapping[str, Task]) -> dict[str, Any]:
    try:
        card = json.loads(path.read_bytes(), parse_constant=_no_constant, parse_float=_finite)
        json.dumps(card, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise BundleError("bad_card", f"card.json is not JSON: {error}") from error
    if not isinstance(card, dict):
        raise BundleError("bad_card", "card.json is not an object")
    if _deeper(card, DEEPEST):
        raise BundleError(
            "bad_card", f"card.json is nested deeper than {DEEPEST} levels: flatten it"
        )
    for why in _faults(card, tasks):
        raise BundleError("bad_card", f"card.json: {why}")
    return {name: value for name, value in card.items() if name not in OWN_FIELDS}


def _deeper(value: object, levels: int) -> bool:
    """Whether lists and objects lie in each other deeper than so many levels."""
    held = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(held, list):
        return False
    return levels == 0 or any(_deeper(each, levels - 1) for each in held)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_constant(text)


def _faults(card: Mapping[str, Any], tasks: Mapping[str, Task]) -> Iterator[str]:
    task, classes = tasks.get(str(card.get("task"))), card.get("classes")
    task = task and task.by(preset_of(card))
    if task is None:
        yield f"task {card.get('task')!r}: use one of {', '.join(tasks)}"
    fewest = 1 if task is not None and task.output == "map" else 2
    if not _names(classes, fewest):
        yield f"classes: a list of at least {fewest} different names is needed"
        return
    names = cast("list[str]", classes)
    if task is not None and task.classes and list(task.classes) != names:
        yield f"classes {names}: {task.name} has {list(task.classes)}"
    if card.get("positive") is not None and card["positive"] not in names:
        yield f"positive {card['positive']!r} is none of the classes"
    points = card.get("operating_points") or []
    if not isinstance(points, list) or not all(_is_point(point) for point in points):
        yield "operating_points: each needs a name, and a threshold from 0 to 1 or null"
    if task is not None:
        yield from _unfit_labels(card, task, len(names))


def _unfit_labels(card: Mapping[str, Any], task: Task, classes: int) -> Iterator[str]:
    """What a label map, and the calibration of candidates, cannot be read with."""
    if task.output == "map" and classes >= UNKNOWN:
        yield f"classes: a label map has at most {UNKNOWN - 1}"
    values = card.get("mask_values") or []
    fits = isinstance(values, list) and len(values) in (0, classes)
    if not fits or not all(type(value) is int and 0 < value < UNKNOWN for value in values):
        yield f"mask_values: a whole number from 1 to {UNKNOWN - 1} for each class, or none"
    scoring = card.get("scoring") or []
    needed = 0 if task.fit is None else len(task.fit(()))
    fits = isinstance(scoring, list) and len(scoring) in (0, needed)
    if not fits or not all(_within(number, -NUMBER_MAX, NUMBER_MAX) for number in scoring):
        yield f"scoring: {needed} numbers are needed, or none"


def _names(classes: object, fewest: int) -> bool:
    return (
        isinstance(classes, list)
        and all(isinstance(name, str) and 0 < len(name) <= 200 for name in classes)
        and len(set(classes)) == len(classes) >= fewest
    )


def _is_point(point: object) -> bool:
    if not isinstance(point, dict) or not isinstance(point.get("name"), str):
        return False
    if "threshold" not in point:
        return False
    bounds = {**dict.fromkeys(FRACTIONS, 1.0), **dict.fromkeys(RATES, NUMBER_MAX)}
    return all(
        point.get(name) is None or _within(point[name], 0.0, most) for name, most in bounds.items()
    )


def _within(number: object, least: float, most: float) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    return least <= number <= most


# ---- the files ------------------------------------------------------------------------------


def _check_network(path: Path, classes: int, is_map: bool) -> None:
    """A self-contained ONNX graph that turns uint8 patches into scores that sum to one."""
    try:
        graph = onnx.load(path, load_external_data=False)
        if any(_external(tensor) for tensor in _tensors(graph.graph)):
            raise BundleError("bad_network", "model.onnx points to files outside itself")
        onnx.checker.check_model(graph, full_check=True)
    except INVALID as error:
        detail = f"model.onnx is no valid ONNX: {str(error)[:200]}"
        raise BundleError("bad_network", detail) from error
    foreign = {opset.domain for opset in graph.opset_import} - DOMAINS
    if foreign or graph.functions:
        raise BundleError("bad_network", f"model.onnx needs operators of {sorted(foreign)}")
    try:
        network = load(path, bf16=False)
        shape = (2, network.size, network.size, 3)
        noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        scores = network.run(noise)
    except NetworkError as error:
        raise BundleError("bad_network", str(error)) from error
    except NOT_RUNNING as error:
        detail = "model.onnx does not run; export it with LayerTune"
        raise BundleError("bad_network", detail) from error
    if (network.classes, network.is_map) != (classes, is_map):
        detail = f"model.onnx has {network.classes} outputs, card.json needs {classes}" + (
            " for each pixel, background first" if is_map else ""
        )
        raise BundleError("bad_network", detail)
    if not np.allclose(scores.sum(axis=1), 1, atol=SUM_TOLERANCE) or (scores < 0).any():
        detail = "the scores of model.onnx do not sum to one: end it in a softmax"
        raise BundleError("bad_network", detail)


def _external(tensor: onnx.TensorProto) -> bool:
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every constant of a graph, those of its inner graphs included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    yield from _tensors(inner)


def _check_weights(path: Path) -> None:
    try:
        with safe_open(path, framework="numpy") as file:
            if not list(file.keys()):
                raise BundleError("bad_weights", "weights.safetensors is empty")
    except SafetensorError as error:
        detail = f"weights.safetensors cannot be read: {error}"
        raise BundleError("bad_weights", detail) from error
