"""A validation case with lines keeps them, and its readers', from pack to patch set and back."""

from pathlib import Path

import cv2
import numpy as np

from models.discovery import backbones, tasks
from models.pack import Manifest, PackedCase, writing
from models.spec import recipe
from models.tuning.patches.cutting import prepare
from tests.models.imaging.wall.pictures import frame


def packed(out: Path) -> tuple[np.ndarray, np.ndarray]:
    """Two frames of two people; the lines of both are the same."""
    pixels, lines = frame(height=300, width=320, far=180)
    kept = {"lumen_intima": lines[0].tolist(), "media_adventitia": lines[1].tolist()}
    facts = {"lines": kept, "readers": {"A1": kept, "A2": kept}}
    cases = []
    with writing(out) as writer:
        for name, part in (("case_000001", "train"), ("case_000002", "validation")):
            roles = {"image": f"images/{name}.png"}
            writer.add(roles["image"], cv2.imencode(".png", pixels)[1].tobytes())
            cases.append(PackedCase(name, name, roles, "lumen", part, (0.06, 0.06), facts))
        splits = {"train": 1, "validation": 1}
        made = Manifest("intima_media", "cubs", (), tuple(cases), writer.members, splits=splits)
        writer.finish(made)
    return lines


def test_lines_and_readers_come_back_as_they_were_without_pixels_or_mask(tmp_path: Path) -> None:
    lines = packed(tmp_path / "pack.zip")
    task = tasks()["intima_media"]
    patches = prepare(
        tmp_path / "pack.zip", task, backbones()["tiny"], recipe(epochs=2, output="map"),
        workdir=tmp_path, cache_max_bytes=10**8,
    )  # fmt: skip
    assert len(patches.train) == task.drawn and patches.variants == 2
    case, rois = patches.served(patches.validation_rows[0])
    assert case.lines is not None and case.mask is None and list(case.readers) == ["A1", "A2"]
    for found, true in zip((*case.lines, *case.readers["A2"]), (*lines, *lines), strict=True):
        np.testing.assert_array_equal(found, true)
    assert case.spacing_mm == (0.06, 0.06) and len(rois) == 1


def test_the_patches_of_a_draw_count_in_the_disk_budget(tmp_path: Path) -> None:
    packed(tmp_path / "pack.zip")
    task, size = tasks()["intima_media"], backbones()["tiny"].input_size
    room = 2 * 3 * task.drawn * 4 * size * size  # half of it is for patches: three views
    patches = prepare(
        tmp_path / "pack.zip", task, backbones()["tiny"], recipe(epochs=8, output="map"),
        workdir=tmp_path, cache_max_bytes=room,
    )  # fmt: skip
    assert patches.variants == 3
