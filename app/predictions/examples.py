"""Findings as the documentation shows them, made of their types: a new task needs no example."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from models.task import Task
from models.video_findings import video_finding

# A field of this name is shown with this value, whichever finding it is in.
KNOWN: dict[str, Any] = {
    "area_mm2": None, "area_px": 5120, "box_px": [212.0, 140.0, 301.0, 215.0],
    "centre_mm": [-41.3, 12.6, -180.0], "centre_voxel": [118.0, 231.5, 187.0],
    "diameter_mm": 6.1, "duration_s": 60.0,
    "columns": {"traced": 512, "left_out": 14},
    "first_seen_s": 12.4, "fps": 25.0, "frames": 41, "frames_read": 300,
    "frames_with_detections": 41, "index": 310, "last_seen_s": 20.6,
    "imt_mm": {"mean": 0.71, "max": 0.93}, "imt_px": {"mean": 11.83, "max": 15.5},
    "lumen_intima": [[84.0, 301.42], [85.0, 301.37]],
    "mask_png_base64": "iVBORw0KGgo…", "series_instance_uid": "1.2.826.0.1.3680043.8.498.1",
    "media_adventitia": [[84.0, 313.1], [85.0, 313.16]], "roi_px": [84.0, 262.0, 610.0, 350.0],
    "sop_instance_uid": "1.2.826.0.1.3680043.8.498.1.118", "spacing_mm": 0.06,
    "spacing_source": "given", "stride": 5, "time_s": 12.4,
}  # fmt: skip
PLAIN: dict[Any, Any] = {float: 0.97, int: 1, bool: True, str: "…"}
WHOLE = ("columns", "imt_mm", "imt_px")  # shown with their own values, not with those of a type
SHARES = (0.97, 0.03)  # of the first class and the second
# Where the data set brings the classes: some that there might be, by the task's output.
CLASSES = {"classes": ("benign", "malignant"), "map": ("lumen",)}


def finding(task: Task) -> Any:
    """The finding of an image, as JSON."""
    return _shown(task.finding, task.classes or CLASSES[task.output])


def of_video(task: Task) -> Any:
    """The finding of a video, of a task that answers for one."""
    return _shown(video_finding(task.finding), task.classes or CLASSES[task.output])


def _shown(kind: Any, names: Sequence[str]) -> Any:
    """An instance of a type: a dataclass, a dictionary by class, a tuple, a number or a word."""
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return {field.name: _field(field.name, hints[field.name], names) for field in fields(kind)}
    inner = get_args(kind)
    if get_origin(kind) is dict:
        return _by_class(inner[1], names)
    if get_origin(kind) is tuple:
        parts = inner[:1] if inner[1:] == (...,) else inner
        return [_shown(part, names) for part in parts]
    if NoneType in inner:
        return _shown(next(part for part in inner if part is not NoneType), names)
    return PLAIN[kind]


def _field(name: str, kind: Any, names: Sequence[str]) -> Any:
    if name == "label":
        return names[0]
    if name in WHOLE:
        return KNOWN[name]
    composed = any(is_dataclass(part) for part in (kind, *get_args(kind)))
    return KNOWN[name] if name in KNOWN and not composed else _shown(kind, names)


def _by_class(kind: Any, names: Sequence[str]) -> dict[str, Any]:
    """A value for each class; numbers are shares that sum to one."""
    if kind is float:
        return dict(zip(names, SHARES, strict=False))
    return {name: _shown(kind, names) for name in names}
