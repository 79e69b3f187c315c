"""Images for tasks of images, volumes for tasks of volumes, and every file in one case alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from models.door.lines.wall import of_walls
from models.layout import Item, files_of, is_image_name
from models.ledger import LedgerEntry
from models.task import Task


def of_kind(task: Task, items: Sequence[Item]) -> tuple[list[Item], list[LedgerEntry]]:
    """The cases that are of the kind that the task takes, and the ledger's lines for the others.

    A table names files without telling what they are: what is no image by its name may be a
    volume in one file.
    """
    kept: list[Item] = []
    lines: list[LedgerEntry] = []
    for item in items:
        image = item.files["image"]
        if task.volumes and not item.series and not is_image_name(image):
            mask = {"mask": (item.files["mask"],)} if "mask" in item.files else {}
            item = replace(item, series={"volume": (image,), **mask})
        if item.series and of_walls(task) and len(item.series["volume"]) == 1:
            item = replace(item, series={})  # one DICOM file: a frame of ultrasound
        if task.volumes == bool(item.series):
            kept.append(item)
            continue
        code, detail = (
            ("not_a_volume", f"an image; {task.name} takes volumes, as NIfTI or DICOM series")
            if task.volumes
            else ("not_an_image", f"a volume; {task.name} takes images")
        )
        lines += [_line(item, file, code, detail) for file in files_of(item)]
    used = {file for item in kept for file in files_of(item)}
    return kept, [line for line in lines if line.file not in used]


def apart(items: Sequence[Item]) -> tuple[list[Item], list[LedgerEntry]]:
    """Without the cases that share a file with another: whose it is nobody can know."""
    claims = Counter(file for item in items for file in files_of(item))
    kept: list[Item] = []
    lines: dict[str, LedgerEntry] = {}
    for item in items:
        shared = [file for file in files_of(item) if claims[file] > 1]
        if not shared and not set(item.series["volume"]) & set(item.series.get("mask", ())):
            kept.append(item)
            continue
        detail = f"{(shared or files_of(item))[0]} is named by several cases, or as volume and mask"
        for file in files_of(item):
            lines[file] = _line(item, file, "shared_files", detail)
    return kept, list(lines.values())


def _line(item: Item, file: str, code: str, detail: str) -> LedgerEntry:
    return LedgerEntry(
        file, "excluded", code, detail, subject=item.subject, label=item.label, split=item.split
    )
