"""`python -m tests.fuzz.bounds bombs ROOM FOLDER`: small files that unfold to gigabytes."""

import importlib
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import bounds

MORE_MB = 500
WITHIN_S = 2.0  # of the processor's time
# room -> bomb -> the code of its refusal
BOMBS: dict[str, dict[str, str]] = {
    "archives": {
        "zip": "archive_bomb", "zip_of_names": "too_many_members", "zip_that_lies": "corrupt",
        "tar_gz": "archive_bomb", "tar_zst": "archive_bomb", "table": "bad_metadata",
        "yaml_merges": "bad_class_names", "coco": "ValueError",
    },
    "pictures": {
        "png": "too_large", "png_text": "not_an_image", "jpeg": "too_large", "gif": "too_large",
        "webp": "not_an_image", "tiff": "too_large", "ultrasound_rle": "too_large",
        "ultrasound_deflated": "too_large",
    },
    "scans": {
        "deflated": "too_large", "deflated_hidden": "too_large", "rle": "too_large",
        "nifti_gz": "archive_bomb", "nifti_gz_large": "too_large", "zip_of_nifti": "archive_bomb",
    },
    "films": {"claiming": "read", "mjpeg": "no_frames", "frames": "too_many_frames"},
    "bundles": {
        "card": "too_large", "bzip2": "unsupported_compression", "names": "not_a_bundle",
        "network": "bad_network",
    },
}  # fmt: skip


def main(room: str, folder: str) -> None:
    module = importlib.import_module(f"tests.fuzz.rooms.bombs_{room}")
    made: dict[str, Callable[[], object]] = module.bombs(Path(folder))
    started = bounds.peak_mb()
    bounds.bound(module.MORE_MB if hasattr(module, "MORE_MB") else MORE_MB)
    for name, open_it in made.items():
        _defuse(name, open_it, started)


def _defuse(name: str, open_it: Callable[[], object], started: int) -> None:
    began = bounds.cpu_s()
    try:
        found = open_it()
        code = found if isinstance(found, str) else "read"
    except Exception as refusal:  # noqa: BLE001 - one without a code of ours fails the test
        problems = getattr(refusal, "problems", None)
        code = problems[0]["code"] if problems else getattr(refusal, "code", "")
        code = code or type(refusal).__name__
    bounds.say(
        bomb=name, code=code, seconds=round(bounds.cpu_s() - began, 2),
        grown_mb=max(0, bounds.peak_mb() - started),
    )  # fmt: skip
