"""Synthetic CT pulmonary angiography: a chest, its vessels, emboli, and a scanner's artefacts.

A patient (anatomy.py) is made of smooth shapes (shapes.py), bones, and trees of vessels (tree.py,
vessels.py) with emboli and things that resemble them (decoys.py); scanner.py makes a scan of it.
`plant` (planting.py) puts arteries and emboli into a real CT instead.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.imaging.ctpa_phantom import anatomy, marks, scanner
from models.imaging.ctpa_phantom import series as dicom
from models.imaging.ctpa_phantom.emboli import how_many, numbered
from models.imaging.ctpa_phantom.grid import Grid
from models.imaging.ctpa_phantom.planting import plant
from models.imaging.ctpa_phantom.style import STYLES, Looks, StyleName, looks
from models.task import Phantom
from models.volume import LabelVoxels, Volume

__all__ = ["Thorax", "patient", "plant", "volume"]
HEIGHT_MM = 240.0  # of the scan
MIDDLE_MM = -20.0  # where its middle lies, from the carina
WITHOUT = 4  # every fourth patient has no embolus
SEGMENTED = 3  # every third patient's emboli are a DICOM SEG, the others' a NIfTI


@dataclass(frozen=True, eq=False)
class Thorax:
    """A scan and what is true of it.

    `emboli` [z, y, x]: 1..n, 0 = none. `facts` says what was drawn: the patient's looks, and for
    each embolus its level (saddle, lobar, segmental, subsegmental), form, length and HU.
    """

    volume: Volume
    emboli: LabelVoxels
    facts: dict[str, Any]


def patient(
    rng: np.random.Generator,
    index: int,
    *,
    shape: tuple[int, int, int] | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    style: StyleName = "usual",
) -> Phantom:
    """A patient as a clinic would upload one: a folder with a DICOM series and its mask."""
    subject = f"patient_{index:03d}"
    count = 0 if index % WITHOUT == WITHOUT - 1 else how_many(rng)
    scan = volume(rng, shape=shape, spacing_mm=spacing_mm, style=style, emboli=count)
    paper = dicom.papers(rng, subject, len(scan.volume.voxels))
    files = dicom.series(rng, scan.volume, paper, f"{subject}/series")
    if index % SEGMENTED == SEGMENTED - 1:
        seg = marks.segmentation(rng, scan.volume, scan.emboli, paper)
        files[f"{subject}/seg/seg.dcm"] = seg
    else:
        files[f"{subject}/emboli_mask.nii.gz"] = marks.nifti(scan.volume, scan.emboli)
    return Phantom(subject, files)


def volume(
    rng: np.random.Generator,
    *,
    shape: tuple[int, int, int] | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    style: StyleName = "usual",
    emboli: int | None = None,
) -> Thorax:
    """A scan, supine and axial, slices ascending to the head.

    `shape` and `spacing_mm` are (z, y, x); without them a scan is as coarse as subsegmental
    arteries can still be told apart in.
    `style` is the population the patient is of, `emboli` how many there are (None: 0 to 8).
    """
    look = looks(rng, STYLES[style])
    grid = _grid(look, shape, spacing_mm)
    patient = anatomy.chest(rng, look, grid, emboli)
    clean, labels = anatomy.rendered(rng, patient, grid)
    heart = patient.stance.to_scanner(np.array([18.0, -18.0, -76.0]))
    seen = scanner.artefacts(rng, look, grid, patient.vessels.cava, heart)
    voxels, labels = scanner.scanned(rng, look, grid, clean, labels, seen)
    labels, kept = numbered(labels, len(patient.clots))
    return Thorax(Volume(voxels, grid.affine), labels, _facts(look, patient, kept, style))


def _grid(
    look: Looks,
    shape: tuple[int, int, int] | None,
    spacing: tuple[float, float, float] | None,
) -> Grid:
    """Of the size asked for; the spacing (or the size) left open follows from the other."""
    if spacing is None:
        pixel = round(look.field_mm / (shape[2] if shape else round(look.pixels)), 3)
        thick = round(HEIGHT_MM / shape[0], 2) if shape else round(look.slice_mm, 2)
        spacing = (thick, pixel, pixel)
    if shape is None:
        side = round(look.field_mm / spacing[2])
        shape = (round(HEIGHT_MM / spacing[0]), side, side)
    z, y, x = (-(n - 1) / 2 * side for n, side in zip(shape, spacing, strict=True))
    return Grid(shape, spacing, (round(x, 3), round(y, 3), round(z + MIDDLE_MM, 3)))


def _facts(
    look: Looks, patient: anatomy.Chest, kept: list[int], style: StyleName
) -> dict[str, Any]:
    clots = [patient.clots[k] for k in kept]
    return {
        "style": style,
        "looks": look,
        "emboli": [
            {"level": clot.level, "form": clot.form, "length_mm": clot.length_mm, "hu": clot.hu}
            for clot in clots
        ],
    }
