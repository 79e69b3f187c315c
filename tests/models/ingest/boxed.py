"""Uploads with boxes or regions of things: what of them was taken in."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.discovery import tasks
from models.ingest import ingest
from models.pack import Pack
from models.task import Task
from tests.models.ingest.uploads import picture, table, written, zipped

MAPS = tasks()["segmentation"]
POLYP = tasks()["polyp"]
Facts = dict[str, Any]
PENTAGON = {"bbox": [4, 4, 16, 20], "segmentation": [[4, 4, 20, 4, 20, 16, 12, 24, 4, 16]]}
SQUARE = {"bbox": [2, 2, 8, 8], "segmentation": [[2, 2, 10, 2, 10, 10, 2, 10]]}


class Taken:
    """A data set that was taken in: manifest, ledger by file, facts and masks by image."""

    def __init__(self, folder: Path, files: Mapping[str, bytes], task: Task = POLYP) -> None:
        out = folder / "pack.zip"
        self.manifest, lines = ingest(written(folder, zipped(files)), task, out)
        self.ledger = {line.file: line for line in lines}
        assert len(self.ledger) == len(lines), "a file has one line"
        with zipfile.ZipFile(out) as archive:
            assert archive.testzip() is None
        with Pack.open(out) as pack:
            self.cases = {case.case_id: case for case in pack.cases()}
            self.masks = {
                case.case_id: cv2.imdecode(
                    np.frombuffer(pack.read(case.roles["mask"]), np.uint8), cv2.IMREAD_UNCHANGED
                )
                for case in pack.cases()
                if "mask" in case.roles
            }
            assert pack.manifest == self.manifest

    def line(self, file: str) -> tuple[str, str | None]:
        return self.ledger[file].fate, self.ledger[file].code

    def facts(self, file: str) -> Facts:
        return dict(self.cases[str(self.ledger[file].case_id)].facts)

    def boxes(self, file: str) -> Any:
        return self.facts(file).get("boxes")

    def mask(self, file: str) -> Any:
        return self.masks.get(str(self.ledger[file].case_id))

    def warnings(self) -> dict[str, Mapping[str, Any]]:
        return {str(said["code"]): said for said in self.manifest.warnings}


def images(*names: str) -> dict[str, bytes]:
    return {name: picture(hash_of(name)) for name in names}


def hash_of(name: str) -> int:
    return sum(ord(letter) * (k + 1) for k, letter in enumerate(name))


def rows(*cells: tuple[str, ...], columns: tuple[str, ...] = ("file_name", "boxes")) -> Facts:
    """A metadata.csv and pictures of 32 x 32 for its rows."""
    quoted = [tuple(f'"{cell}"' for cell in row) for row in cells]
    return {"metadata.csv": table(columns, *quoted), **images(*(row[0] for row in cells))}


def coco(
    listed: list[tuple[str, list[dict[str, Any]]]],
    categories: tuple[str, ...] = ("polyp",),
) -> bytes:
    """Images of 32 x 32 with their annotations, `category` by position from 1."""
    found: dict[str, list[Any]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": k, "name": name} for k, name in enumerate(categories, 1)],
    }
    for k, (name, marks) in enumerate(listed, 1):
        found["images"].append({"id": k, "file_name": name, "width": 32, "height": 32})
        for mark in marks:
            number = len(found["annotations"]) + 1
            found["annotations"].append(
                {"id": number, "image_id": k, "category_id": 1, "iscrowd": 0, **mark}
            )
    return json.dumps(found).encode()
