"""A patient's chest laid into voxels, slab by slab, as it is before any scanner sees it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.imaging.ctpa_phantom import bones, decoys, emboli, shapes, vessels
from models.imaging.ctpa_phantom.decoys import Decoys
from models.imaging.ctpa_phantom.emboli import Embolus
from models.imaging.ctpa_phantom.grid import COARSE_MM, Coarse, Field, Grid, Points, Stance, stance
from models.imaging.ctpa_phantom.style import Looks
from models.imaging.ctpa_phantom.tree import Branches
from models.imaging.ctpa_phantom.tubes import Tubes, joined, paint
from models.imaging.ctpa_phantom.vessels import Vessels
from models.volume import AIR_HU, LabelVoxels, Voxels

SLAB = 16  # slices at a time
TABLE = 0.3  # Looks.table from which on there is one
DEEPEST_MM = 108.0  # of "back" where lungs end
AIRWAY_HU, FAT_HU, MUSCLE_HU, WALL_HU, GULLET_HU = -990.0, -104.0, 52.0, 20.0, 42.0


@dataclass(frozen=True, eq=False)
class Chest:
    """One patient in the scanner's millimetres, and smooth fields on coarse points."""

    look: Looks
    stance: Stance
    coarse: Coarse
    fields: dict[str, Field]
    vessels: Vessels
    arteries: Branches
    veins: Branches
    clots: tuple[Embolus, ...]
    decoys: Decoys
    bony: Tubes
    gristle: Tubes


def chest(rng: np.random.Generator, look: Looks, grid: Grid, count: int | None) -> Chest:
    """A patient of these looks with `count` emboli (None: as many as it happens)."""
    lies = stance(rng, look.tilt_deg, look.size)
    coarse = Coarse(grid)
    found = vessels.vessels(rng, look)
    arteries, veins = found.arteries.placed(lies), found.veins.placed(lies)
    number = emboli.any_or_none(rng) if count is None else count
    clots = emboli.emboli(rng, arteries, look, number, thinnest=emboli.told_from(grid))
    tubes = _placed_all(found, lies)
    spots = _placed(decoys.nodes(rng, round(look.nodes)), lies)
    hard, gristle = bones.ribs()
    others = (bones.girdle(), bones.breastbone(), bones.processes())
    bony = joined(*(_placed(one, lies) for one in (hard, *others)))
    return Chest(
        look, lies, coarse, _fields(rng, coarse, lies, look), tubes, arteries, veins, clots,
        decoys.decoys(rng, look, arteries, tubes, spots), bony, _placed(gristle, lies),
    )  # fmt: skip


def _placed(tubes: Tubes, lies: Stance) -> Tubes:
    size = float(lies.size.mean())
    return Tubes(
        lies.to_scanner(tubes.starts), lies.to_scanner(tubes.ends),
        tubes.first_mm * size, tubes.last_mm * size,
    )  # fmt: skip


def _placed_all(found: Vessels, lies: Stance) -> Vessels:
    return replace(
        found,
        airways=_placed(found.airways, lies), cuffs=_placed(found.cuffs, lies),
        cava=_placed(found.cava, lies), lower_cava=_placed(found.lower_cava, lies),
        aorta=_placed(found.aorta, lies), azygos=_placed(found.azygos, lies),
        gullet=_placed(found.gullet, lies), air_in_gullet=_placed(found.air_in_gullet, lies),
    )  # fmt: skip


def _fields(
    rng: np.random.Generator, coarse: Coarse, lies: Stance, look: Looks
) -> dict[str, Field]:
    """Distances to the borders of smooth shapes, and textures."""
    p: Points = lies.to_body(coarse.points()).astype(np.float32)
    cavity = shapes.cavity(p)
    lungs = shapes.lungs(p)
    left = ("left_atrium", "left_ventricle")
    right = ("right_atrium", "right_ventricle", "outflow")
    found = {
        "skin": shapes.skin(p, look.fat_mm),
        "muscle": shapes.muscle(p, look.fat_mm),
        "cavity": cavity - 2.5,
        "lungs": lungs,
        "heart": shapes.heart(p),
        "right_blood": shapes.chambers(p, *right),
        "left_blood": shapes.chambers(p, *left),
        "belly": np.maximum(shapes.diaphragm(p) + 3, cavity),
        "fissures": shapes.fissures(p),
        "back": p[..., 1] - 0.25 * p[..., 2],  # the lung is denser where it lies
        "left": p[..., 0],
        "fine": coarse.noise(rng, 8.0),
        "wide": coarse.noise(rng, 40.0),
    }
    return {name: np.asarray(field, np.float32) for name, field in found.items()}


# ---- into voxels ----------------------------------------------------------------------------


def rendered(rng: np.random.Generator, patient: Chest, grid: Grid) -> tuple[Voxels, LabelVoxels]:
    """HU of the patient at each voxel, sharp but for the voxels' size, and the emboli."""
    voxels = np.empty(grid.shape, np.int16)
    labels = np.zeros(grid.shape, np.uint8)
    for first in range(0, grid.shape[0], SLAB):
        last = min(first + SLAB, grid.shape[0])
        part = grid.part(first, last)
        hu = _slab(rng, patient, part, labels[first:last])
        voxels[first:last] = np.rint(np.clip(hu, AIR_HU, 3071))
    return voxels, labels


def _slab(rng: np.random.Generator, patient: Chest, grid: Grid, labels: LabelVoxels) -> Field:
    texture = rng.standard_normal(grid.shape, dtype=np.float32)
    hu = _soft(patient, grid, texture)
    _bony(patient, grid, hu, texture)
    _vessels(patient, grid, hu)
    _arteries(patient, grid, hu, labels)
    return hu


def _lay(hu: Field, cover: Field, value: NDArray[np.floating] | float) -> None:
    hu += cover * (np.asarray(value, np.float32) - hu)


def _soft(patient: Chest, grid: Grid, texture: Field) -> Field:
    """Skin, fat, muscle, belly, heart, lungs."""
    look = patient.look
    width = float(np.mean(grid.spacing_mm))

    def up(name: str) -> Field:
        return patient.coarse.up(patient.fields[name], grid)

    def inside(name: str) -> Field:
        return np.asarray(np.clip(0.5 - up(name) / np.float32(width), 0, 1))

    fine, wide = up("fine"), up("wide")
    skin = up("skin")
    hu = np.full(grid.shape, -1000, np.float32)
    if look.table > TABLE:
        hu += _table(patient, grid)
    _lay(hu, np.clip(0.5 - skin / width, 0, 1), 30.0)
    fat = FAT_HU + 9 * fine + 18 * np.maximum(wide - 1, 0)
    _lay(hu, np.clip(0.5 - (skin + 2) / width, 0, 1), fat)
    strands = np.clip((np.abs(wide + 0.1 * fine) - 0.02) * 9, 0, 1)
    _lay(hu, inside("muscle"), FAT_HU + (MUSCLE_HU + 4 * fine - FAT_HU) * (0.3 + 0.7 * strands))
    mediastinal = FAT_HU + 12 + 26 * np.maximum(fine, 0) + 12 * wide
    _lay(hu, inside("cavity"), mediastinal)
    left = np.clip(0.5 + up("left") / 30, 0, 1)
    _lay(hu, inside("belly"), (1 - left) * 78 + left * (20 + 60 * np.clip(wide * 3, -0.5, 0.8)))
    venous = look.contrast_hu * look.venous
    _lay(hu, inside("heart"), 78 + 0.12 * venous + 4 * fine)
    _lay(hu, inside("left_blood"), venous * (1 + 0.03 * wide))
    _lay(hu, inside("right_blood"), look.contrast_hu * (0.95 + 0.1 * wide + 0.06 * fine))
    back = up("back")
    lung = look.lung_hu + 0.45 * (back - 20) + 22 * fine + 14 * wide + 30 * texture
    lung += 90 * np.exp(-((up("fissures") / np.float32(0.7 * width)) ** 2))
    airless = np.clip((back - DEEPEST_MM + look.collapse_mm) / 6 + 0.6 * fine + 0.5 * wide, 0, 1)
    _lay(lung, airless * (look.collapse_mm > 0), 58 + 0.08 * look.contrast_hu)
    _lay(hu, inside("lungs"), lung)
    return hu


def _table(patient: Chest, grid: Grid) -> Field:
    """The couch under the back: two thin hollow sheets of carbon, and foam between them."""
    inside = patient.fields["skin"] < 0
    rows = np.flatnonzero(inside.any(axis=(0, 2)))
    lowest = patient.coarse.start[1] + COARSE_MM * (rows[-1] if len(rows) else 0)
    x, y = np.meshgrid(grid.along(2), grid.along(1))
    depth = y - (lowest + 5 - 0.0011 * x * x)
    sheet = np.clip(1.6 - np.abs(depth - 1.5), 0, 1) + np.clip(1.6 - np.abs(depth - 31), 0, 1)
    foam = np.clip(depth, 0, 1) * np.clip(31 - depth, 0, 1)
    within = np.clip(205 - np.abs(x), 0, 1)
    return np.asarray(within * (620 * sheet + 60 * foam), np.float32)


def _bony(patient: Chest, grid: Grid, hu: Field, texture: Field) -> None:
    bones.spine(hu, grid, patient.stance, texture)
    for tubes, value in (
        (patient.gristle, bones.CARTILAGE_HU),
        (patient.bony, bones.CORTEX_HU),
        (patient.bony.grown(-1.5), bones.MARROW_HU),
    ):
        _lay(hu, _painted(grid, tubes), value)


def _painted(grid: Grid, tubes: Tubes) -> Field:
    cover = np.zeros(grid.shape, np.float32)
    paint(cover, grid, tubes)
    return cover


def _vessels(patient: Chest, grid: Grid, hu: Field) -> None:
    """All tubes but the arteries of the lung."""
    look, tubes, found = patient.look, patient.vessels, patient.decoys
    venous = look.contrast_hu * look.venous
    _lay(hu, _painted(grid, found.nodes), found.node_hu)
    _lay(hu, _painted(grid, tubes.gullet), GULLET_HU)
    _lay(hu, _painted(grid, tubes.air_in_gullet), -700.0)
    _lay(hu, _painted(grid, tubes.azygos), 60.0)
    _lay(hu, _painted(grid, tubes.lower_cava), 85.0)
    _lay(hu, _painted(grid, tubes.aorta.grown(1.3)), 60.0)
    _lay(hu, _painted(grid, tubes.aorta), 0.9 * venous)
    swirl = patient.coarse.up(patient.fields["fine"], grid)
    _lay(hu, _painted(grid, tubes.cava), look.inflow * look.contrast_hu * (1 + 0.12 * swirl))
    _lay(hu, _painted(grid, tubes.cuffs), WALL_HU)
    lumen = np.zeros(grid.shape, np.float32)
    full = found.plugged
    paint(lumen, grid, _some(tubes.airways, ~full))
    _lay(hu, lumen, AIRWAY_HU)
    if full.any():
        _lay(hu, _painted(grid, _some(tubes.airways, full)), found.mucus_hu)
    # After the airways: mucus within a vein would be a clot that nobody labelled.
    _lay(hu, _painted(grid, patient.veins.tubes()), venous)


def _some(tubes: Tubes, wanted: NDArray[np.bool_]) -> Tubes:
    return Tubes(
        tubes.starts[wanted], tubes.ends[wanted], tubes.first_mm[wanted], tubes.last_mm[wanted]
    )


def _arteries(patient: Chest, grid: Grid, hu: Field, labels: LabelVoxels) -> None:
    """The arteries of the lung, contrast and mixing, and the emboli in them."""
    lumen = _painted(grid, patient.arteries.tubes())
    swirls = np.zeros(grid.shape, np.float32)
    paint(swirls, grid, patient.decoys.swirls, soft=True)
    mixed = patient.coarse.up(patient.fields["fine"], grid)
    contrast = np.float32(patient.look.contrast_hu) * (1 + 0.03 * mixed)
    contrast *= 1 - np.float32(patient.decoys.swirl) * swirls
    _lay(hu, lumen, contrast)
    emboli.fill(grid, patient.clots, lumen, hu, labels)
