"""The vessels and airways of a chest, in the body's own millimetres."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.ctpa_phantom import shapes
from models.imaging.ctpa_phantom.grid import Points
from models.imaging.ctpa_phantom.shapes import Place
from models.imaging.ctpa_phantom.style import Looks
from models.imaging.ctpa_phantom.tree import Branches, Tree
from models.imaging.ctpa_phantom.tubes import Tubes, joined, line

# Middles of the segments that a branch of each name supplies.
SEGMENTS: dict[str, tuple[Place, ...]] = {
    "right_upper": ((-52, 24, 58), (-75, 52, 22), (-68, -38, 18)),
    "right_middle": ((-98, -34, -42), (-58, -62, -48)),
    "right_superior": ((-68, 62, -14),),
    "right_basal": ((-92, 2, -84), (-105, 38, -88), (-70, 66, -98), (-48, 38, -80)),
    "left_upper": ((52, 32, 52), (66, -38, 20)),
    "lingula": ((92, -38, -28), (78, -60, -58)),
    "left_superior": ((66, 62, -14),),
    "left_basal": ((96, 8, -86), (106, 38, -92), (70, 66, -100)),
}
TRUNK: tuple[Place, ...] = ((12, -46, -46), (16, -36, -28), (18, -22, -15))
# Arteries from the trunk's end on: name, from which other, its places.
ARTERIES: tuple[tuple[str, str, tuple[Place, ...]], ...] = (
    ("right", "trunk", ((8, -8, -18), (-8, -1, -22), (-24, 5, -24), (-36, 8, -25))),
    ("right_upper", "right", ((-44, 9, -16), (-50, 11, -4))),
    ("interlobar", "right", ((-46, 12, -31), (-52, 17, -40))),
    ("right_middle", "interlobar", ((-58, 8, -44),)),
    ("right_superior", "interlobar", ((-57, 28, -43),)),
    ("right_basal", "interlobar", ((-56, 23, -52), (-59, 27, -63))),
    ("left", "trunk", ((24, -10, -8), (32, 3, -2), (42, 16, 1))),
    ("left_upper", "left", ((51, 14, 10),)),
    ("descending", "left", ((52, 27, -6), (57, 32, -19))),
    ("left_superior", "descending", ((61, 42, -22),)),
    ("lingula", "descending", ((62, 22, -32),)),
    ("left_basal", "descending", ((59, 34, -36), (61, 35, -54))),
)
VEINS: tuple[tuple[str, tuple[Place, ...], tuple[str, ...]], ...] = (
    ("upper right", ((-20, 10, -46), (-36, -2, -40), (-48, -8, -32)),
     ("right_upper", "right_middle")),
    ("lower right", ((-22, 26, -60), (-40, 32, -68), (-52, 38, -74)),
     ("right_superior", "right_basal")),
    ("upper left", ((22, 12, -44), (40, 0, -34), (52, -6, -24)), ("left_upper", "lingula")),
    ("lower left", ((22, 26, -60), (42, 34, -68), (54, 42, -76)), ("left_superior", "left_basal")),
)  # fmt: skip
# Airways: radius and places; and from where the segments of each name are reached.
AIRWAYS: tuple[tuple[float, tuple[Place, ...]], ...] = (
    (9.0, ((0, -6, 130), (0, 4, 90), (1, 13, 40), (2, 19, 4))),
    (7.2, ((2, 19, 4), (-14, 21, -7), (-30, 23, -15))),
    (5.6, ((-27, 23, -14), (-40, 22, -8), (-48, 20, 0))),
    (5.4, ((-30, 23, -15), (-40, 25, -30), (-46, 27, -46), (-50, 34, -64))),
    (6.4, ((2, 19, 4), (18, 22, -7), (36, 26, -17), (46, 24, -22))),
    (4.8, ((44, 25, -21), (56, 16, -16))),
    (5.0, ((46, 25, -22), (51, 32, -38), (53, 40, -56))),
)
BRONCHI: dict[str, Place] = {
    "right_upper": (-48, 20, 0), "right_middle": (-44, 26, -42), "right_superior": (-46, 28, -46),
    "right_basal": (-50, 34, -64), "left_upper": (56, 16, -16), "lingula": (56, 16, -16),
    "left_superior": (51, 33, -40), "left_basal": (53, 40, -56),
}  # fmt: skip
CAVA: tuple[Place, ...] = ((-36, -28, 120), (-32, -18, 60), (-31, -15, 0), (-32, -14, -50))
AZYGOS: tuple[Place, ...] = ((-30, -8, 8), (-26, 18, 12), (-12, 40, 4), (-8, 46, -120))
BRACHIOCEPHALIC: tuple[Place, ...] = ((-30, -20, 56), (-8, -34, 62), (18, -34, 74), (38, -26, 110))
NECK_ARTERIES: tuple[tuple[Place, ...], ...] = (
    ((-10, -18, 40), (-16, -14, 66), (-24, -8, 110)),
    ((6, -4, 42), (14, -4, 70), (20, -4, 120)),
    ((20, 14, 42), (28, 14, 70), (44, 10, 110)),
)
GULLET: tuple[Place, ...] = (
    (4, 16, 130), (6, 32, 50), (6, 36, 0), (4, 42, -50), (8, 36, -100), (16, 22, -140),
)  # fmt: skip
ROUND_MM = 5.0  # that small vessels keep from heart, aorta and belly
SHORE_MM = 4.0  # that vessels keep from the border of the lung
BESIDE = 0.5  # Looks.airways from which on small arteries have a bronchus
WITH_AIRWAY = 5  # endings from which on an artery has a bronchus at its side


@dataclass(frozen=True, eq=False)
class Vessels:
    """Everything tubular. `airways` and `cuffs` (walls) follow the arteries; `owner` [n] says
    behind which node of `arteries` each of the small airways runs (-1: a large one).
    """

    arteries: Branches
    veins: Branches
    airways: Tubes
    owner: NDArray[np.int_]
    cuffs: Tubes
    cava: Tubes
    lower_cava: Tubes
    aorta: Tubes
    azygos: Tubes
    gullet: Tubes
    air_in_gullet: Tubes


def vessels(rng: np.random.Generator, look: Looks) -> Vessels:
    """One patient's vessels: large ones near their places in the book, small ones at random."""
    arteries = _arteries(rng, look)
    veins = _veins(rng, look)
    airways, owner = _airways(rng, arteries, look.airways >= BESIDE)
    walls = 0.6 + 0.17 * np.maximum(airways.first_mm, airways.last_mm)
    cuffs = Tubes(airways.starts, airways.ends, airways.first_mm + walls, airways.last_mm + walls)
    gullet = _row(rng, GULLET, 7.0)
    return Vessels(
        arteries, veins, airways, owner, cuffs,
        cava=joined(_row(rng, CAVA, 9.0, 1.0), _row(rng, BRACHIOCEPHALIC, 6.5)),
        lower_cava=_row(rng, shapes.LOWER_CAVA, 10.5, 1.0),
        aorta=joined(_row(rng, shapes.ARCH, 13.0, 1.0),
                     *(_row(rng, row, r) for row, r in zip(NECK_ARTERIES, (6, 4, 5), strict=True))),
        azygos=_row(rng, AZYGOS, 4.0), gullet=gullet,
        air_in_gullet=gullet.grown(-float(rng.uniform(4.0, 7.2))),
    )  # fmt: skip


def _row(
    rng: np.random.Generator, places: tuple[Place, ...], radius: float, sway_mm: float = 1.5
) -> Tubes:
    """A tube near given places, smooth, about `radius` thick."""
    points = np.array(places) + rng.normal(0, sway_mm, (len(places), 3))
    radius *= rng.uniform(0.9, 1.1)
    fine = _smooth(points)
    return line(fine, radius * (1 + 0.03 * rng.standard_normal(len(fine))))


def _smooth(points: Points, step_mm: float = 4.0) -> Points:
    """A curve through the points (Catmull-Rom), a place about every `step_mm`."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    fine = [points[:1]]
    for k in range(1, len(points)):
        a, b, c, d = padded[k - 1 : k + 3]
        pieces = max(1, round(float(np.linalg.norm(c - b)) / step_mm))
        t = (np.arange(1, pieces + 1) / pieces)[:, None]
        fine.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                           + (3 * b - a - 3 * c + d) * t**3))  # fmt: skip
    return np.concatenate(fine)


def _clouds(rng: np.random.Generator, endings: int) -> dict[str, list[Points]]:
    """Places in the lungs for vessels to end at, by the segment whose middle is nearest."""
    names = [(name, k) for name, middles in SEGMENTS.items() for k in range(len(middles))]
    middles = np.array([SEGMENTS[name][k] for name, k in names])
    spots = np.zeros((0, 3))
    while len(spots) < 2 * endings:
        some = rng.uniform((-130, -95, -150), (130, 95, 102), (4 * endings, 3))
        spots = np.concatenate([spots, some[shapes.lungs(some) < -SHORE_MM]])
    spots = spots[: 2 * endings]
    side = np.where(np.sign(spots[:, None, 0]) == np.sign(middles[None, :, 0]), 0.0, 1e9)
    nearest = (np.linalg.norm(spots[:, None] - middles, axis=2) + side).argmin(axis=1)
    clouds: dict[str, list[Points]] = {name: [] for name in SEGMENTS}
    for number, (name, _) in enumerate(names):
        clouds[name].append(spots[nearest == number])
    return clouds


def _arteries(rng: np.random.Generator, look: Looks) -> Branches:
    tree = Tree(look.bend)
    clouds = _clouds(rng, round(look.endings))
    tree.add(-1, np.array(TRUNK[0]))
    ends = {"trunk": tree.follow(0, _smooth(np.array(TRUNK))[1:])}
    for name, before, places in ARTERIES:
        start = tree.places[ends[before]]
        row = np.array(places) + rng.normal(0, 1.2, (len(places), 3))
        ends[name] = tree.follow(ends[before], _smooth(np.vstack([start, row]))[1:])
    large = len(tree.places)
    for name, several in clouds.items():
        for cloud in several:
            tree.grow(rng, ends[name], cloud)
    _led_round(tree, large)
    return tree.done(look.trunk_mm, look.exponent)


def _veins(rng: np.random.Generator, look: Looks) -> Branches:
    tree = Tree(look.bend)
    clouds = _clouds(rng, round(0.75 * look.endings))
    tree.add(-1, np.array(shapes.HEART["left_atrium"][0], dtype=np.float64))
    for _, places, names in VEINS:
        row = np.array(places) + rng.normal(0, 1.5, (len(places), 3))
        ostium = tree.add(0, row[0])
        for name in names:
            several = clouds[name]
            # Each vein drains its lobe's segments; the lobes meet at the ostium.
            start = tree.follow(ostium, _smooth(row)[1:])
            small = len(tree.places)
            for cloud in several:
                tree.grow(rng, start, cloud)
            _led_round(tree, small)
    return tree.done(1.35 * look.trunk_mm, look.exponent)


def _led_round(tree: Tree, first: int) -> None:
    """Moves the places from number `first` on out of heart, aorta and belly, in place."""
    places = np.array(tree.places[first:]).reshape(-1, 3)
    for _ in range(4):
        depth = ROUND_MM - shapes.obstacles(places)
        inside = np.flatnonzero(depth > 0)
        if not len(inside):
            break
        here = places[inside]
        slope = np.stack(
            [shapes.obstacles(here + step) - shapes.obstacles(here - step) for step in np.eye(3)],
            axis=-1,
        )
        slope /= np.linalg.norm(slope, axis=1, keepdims=True) + 1e-9
        places[inside] = here + np.minimum(depth[inside], 12)[:, None] * slope
    tree.places[first:] = list(places)


def _airways(
    rng: np.random.Generator, arteries: Branches, beside_arteries: bool
) -> tuple[Tubes, NDArray[np.int_]]:
    """Trachea and main bronchi, and a bronchus at the side of each artery that is not too small,
    where there are any.
    """
    large = joined(*(_row(rng, places, radius, 0.0) for radius, places in AIRWAYS))
    none = np.full(len(large.first_mm), -1)
    if not beside_arteries:
        return large, none
    n = len(arteries.parents)
    before = np.maximum(arteries.parents, 0)
    way = arteries.places - arteries.places[before]
    way /= np.linalg.norm(way, axis=1, keepdims=True) + 1e-9
    towards = np.array([0.2, 0.6, 0.75]) - way * (way @ np.array([0.2, 0.6, 0.75]))[:, None]
    towards /= np.linalg.norm(towards, axis=1, keepdims=True) + 1e-9
    lumen = 0.72 * arteries.radii_mm
    beside = arteries.places + towards * (arteries.radii_mm + 1.25 * lumen + 0.9)[:, None]
    largest = arteries.endings[0] / 16  # a segment's artery
    wanted = (arteries.endings >= WITH_AIRWAY) & (arteries.endings < largest)
    wanted[0] = False
    roots = wanted & ~wanted[before]
    starts = np.where(roots[:, None], _nearest_bronchus(beside), beside[before])
    first = np.minimum(np.where(roots, 1.3, 1.1) * lumen, lumen[before])
    small = Tubes(starts[wanted], beside[wanted], first[wanted], lumen[wanted])
    return joined(large, small), np.concatenate([none, np.arange(n)[wanted]])


def _nearest_bronchus(places: Points) -> Points:
    """For each place the end of a large airway from which it is reached."""
    ends = np.array(list(BRONCHI.values()), dtype=np.float64)
    away = np.linalg.norm(places[:, None] - ends, axis=2)
    return np.asarray(ends[away.argmin(axis=1)])
