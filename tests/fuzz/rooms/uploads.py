"""Whole uploads in every layout, hurt in one or two files, all the way to a pack."""

import json
from pathlib import Path
from types import MappingProxyType

from models.discovery import tasks
from models.ingest import ingest
from models.ledger import RejectedError
from models.task import Task
from tests.fuzz.mutations import Files, trees, zipped
from tests.fuzz.reading import Reader
from tests.models.ingest import scans, uploads

IMAGES = {f"images/{k}.png": uploads.picture(k) for k in range(4)}
MASKS = {f"masks/{k}.png": uploads.mask(0, 1, k % 2) for k in range(4)}
TABLE = b"file_name,label,subject,split,spacing_mm\n" + b"".join(
    b"images/%d.png,%s,s%d,%s,0.06\n" % (k, b"ab"[k % 2 : k % 2 + 1], k, part)
    for k, part in enumerate((b"train", b"train", b"validation", b""))
)
BOXES = b'file_name,boxes\nimages/0.png,"[[1, 2, 20, 30]]"\nimages/1.png,\nimages/2.png,1 2 9 9\n'
COCO = json.dumps({
    "images": [{"id": k, "file_name": f"{k}.png", "width": 32, "height": 32} for k in range(4)],
    "categories": [{"id": 1, "name": "polyp"}],
    "annotations": [
        {"id": k, "image_id": k, "category_id": 1, "bbox": [2, 3, 10, 12],
         "segmentation": [[2, 3, 12, 3, 14, 9, 12, 15, 2, 15]], "iscrowd": 0} for k in range(3)
    ],
}).encode()  # fmt: skip
YOLO = {
    **IMAGES, "data.yaml": b"names: [polyp, tool]\n", "labels/0.txt": b"0 0.5 0.5 0.2 0.3\n",
    "labels/1.txt": b"", "labels/2.txt": b"0 0.1 0.1 0.6 0.1 0.6 0.7 0.1 0.7\n",
}  # fmt: skip
CLASSES = {"classes.json": b'{"1": "lumen", "2": "wall"}'}
SMALL = (6, 12, 12)


def _cubs() -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    for k in range(2):
        name = f"clin_{k + 1:04d}_L"
        made[f"IMAGES/{name}.png"] = uploads.picture(50 + k, side=120)
        made[f"CF/{name}_CF.txt"] = b"0.06\n"
        for end, y in (("LI", 60), ("MA", 72)):
            line = "".join(f"{x} {y + x / 40:.3f}\n" for x in range(10, 110))
            made[f"LIMA-Profiles/A1/{name}-{end}.txt"] = line.encode()
    return made


def _patients() -> dict[str, bytes]:
    """Two patients: one as NIfTI, one as a DICOM series, each with its mask."""
    values, labels = scans.voxels(1, SMALL), scans.emboli(1, SMALL)
    made = {"p1/ct.nii": scans.nifti(values, packed=False), "p1/mask.nii": scans.nifti(
        labels, packed=False)}  # fmt: skip
    made |= scans.series("p2/ct", scans.voxels(2, SMALL))
    return made | {"p2/mask.dcm": scans.segmentation(labels)}


def readers(folder: Path) -> dict[str, Reader]:
    known = MappingProxyType(tasks())

    def reader(task: Task, *samples: Files, examples: int = 40) -> Reader:
        def read(files: Files) -> None:
            source, out = folder / "upload", folder / "pack.zip"
            source.write_bytes(zipped(files))
            out.unlink(missing_ok=True)
            ingest(source, task, out)

        return Reader(trees(samples), read, (RejectedError,), examples)

    return {
        "class_folders": reader(known["classification"], uploads.class_folders(2)),
        "metadata_csv": reader(
            known["classification"], IMAGES | {"metadata.csv": TABLE}, examples=60
        ),
        "coco_tree": reader(
            known["polyp"], IMAGES | {"annotations.json": COCO},
            IMAGES | {"metadata.csv": BOXES}, examples=60,
        ),
        "yolo": reader(known["polyp"], YOLO, examples=60),
        "pairs": reader(known["segmentation"], IMAGES | MASKS | CLASSES),
        "cubs": reader(known["intima_media"], _cubs()),
        "patients": reader(known["pulmonary_embolism"], _patients()),
    }  # fmt: skip
