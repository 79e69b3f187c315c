"""Smooth shapes of a thorax as distances to their border, negative inside; the body's own mm."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.imaging.ctpa_phantom.grid import Points

Distance = NDArray[np.float64]  # [...], mm, negative inside
Place = tuple[float, float, float]
# Half width and half depth of the inside of the ribs, and where its middle lies, by height.
HEIGHTS = (-240.0, -150.0, -110.0, -60.0, -10.0, 40.0, 70.0, 90.0, 104.0)
WIDTHS = (122.0, 128.0, 130.0, 129.0, 123.0, 106.0, 84.0, 60.0, 34.0)
DEPTHS = (88.0, 92.0, 94.0, 93.0, 89.0, 77.0, 64.0, 48.0, 28.0)
MIDDLES = (2.0, 2.0, 0.0, 0.0, 4.0, 12.0, 20.0, 27.0, 32.0)
ARCH: tuple[Place, ...] = (
    (-8, -14, -46), (-16, -26, -20), (-18, -27, 8), (-12, -20, 28), (4, -4, 37), (20, 18, 36),
    (27, 36, 22), (28, 45, 0), (26, 48, -40), (20, 46, -90), (12, 42, -150), (6, 40, -240),
)  # fmt: skip
LOWER_CAVA: tuple[Place, ...] = ((-30, -4, -72), (-26, 6, -100), (-22, 16, -240))
DOMES: tuple[tuple[float, float, float], ...] = ((-62, -4, -84), (66, -2, -94))  # x, y, top
HEART: dict[str, tuple[Place, Place]] = {  # centre, half axes
    "right_atrium": ((-33, -14, -68), (20, 24, 30)),
    "right_ventricle": ((8, -44, -74), (40, 22, 34)),
    "outflow": ((14, -46, -52), (18, 18, 22)),
    "left_atrium": ((0, 20, -54), (30, 15, 20)),
    "left_ventricle": ((42, -8, -84), (30, 26, 34)),
}
WALLS = {"right_atrium": 2.5, "right_ventricle": 3.5, "outflow": 3.0, "left_atrium": 2.5,
         "left_ventricle": 10.0}  # fmt: skip


def ellipsoid(p: Points, centre: Place, axes: Place) -> Distance:
    """Nearly the distance to an ellipsoid."""
    inner: Distance = np.zeros(p.shape[:-1], p.dtype)
    outer = inner
    for k in range(3):
        q = (p[..., k] - centre[k]) / axes[k]
        inner, outer = inner + q * q, outer + (q / axes[k]) ** 2
    far = np.sqrt(inner)
    return np.asarray(far * (far - 1) / (np.sqrt(outer) + 1e-9))


def capsules(p: Points, row: tuple[Place, ...], radius: float) -> Distance:
    """The distance to a bent tube."""
    x, y, z = (p[..., k] for k in range(3))
    best: Distance = np.full(p.shape[:-1], np.inf, p.dtype)
    for a, b in pairwise(row):
        ux, uy, uz = (b[k] - a[k] for k in range(3))
        dx, dy, dz = x - a[0], y - a[1], z - a[2]
        length2 = ux * ux + uy * uy + uz * uz
        along = dx * ux + dy * uy + dz * uz
        t = np.clip(along / length2, 0, 1)
        apart = dx * dx + dy * dy + dz * dz - t * (2 * along - t * length2)
        best = np.minimum(best, apart)
    return np.asarray(np.sqrt(np.maximum(best, 0)) - radius)


def union(*several: Distance, soft: float = 6.0) -> Distance:
    """Shapes run into one another, their meeting rounded over `soft` mm."""
    whole = several[0]
    for one in several[1:]:
        h = np.maximum(soft - np.abs(whole - one), 0) / soft
        whole = np.minimum(whole, one) - h * h * soft / 4
    return np.asarray(whole)


def without(shape: Distance, *others: Distance, soft: float = 4.0) -> Distance:
    """A shape with others cut out of it."""
    return -union(-shape, *others, soft=soft)


def _oval(x: Distance, y: Distance, a: Distance, b: Distance, power: float) -> Distance:
    """Nearly the distance to a superellipse of half axes a, b."""
    u, v = np.maximum(np.abs(x / a), 1e-3), np.maximum(np.abs(y / b), 1e-3)
    inner = u**power + v**power
    far = inner ** (1 / power)
    slope = inner ** (1 / power - 1) * np.hypot(u ** (power - 1) / a, v ** (power - 1) / b)
    return np.asarray((far - 1) / np.maximum(slope, 1 / np.maximum(a, b)))


def cavity(p: Points) -> Distance:
    """The inside of the ribs, lungs and mediastinum and upper belly."""
    x, y, z = np.moveaxis(p, -1, 0)
    a, b, middle = (np.interp(z, HEIGHTS, row) for row in (WIDTHS, DEPTHS, MIDDLES))
    return np.asarray(np.maximum(_oval(x, y - middle, a, b, 2.35), (z - 104) * 0.8))


def skin(p: Points, fat_mm: float) -> Distance:
    """The body's surface."""
    x, y, z = np.moveaxis(p, -1, 0)
    a = np.interp(z, (-240, -100, 0, 60, 110, 160), (138, 142, 146, 150, 148, 120)) + fat_mm
    b = np.interp(z, (-240, -100, 0, 60, 110, 160), (106, 110, 110, 102, 84, 70)) + 0.8 * fat_mm
    middle = np.interp(z, (-100, 0, 60, 110), (6.0, 8.0, 14.0, 24.0))
    return _oval(x, y - middle, a, b, 2.3)


def muscle(p: Points, fat_mm: float) -> Distance:
    """The outside of ribs and muscles, under the fat."""
    both = mirrored(p)
    whole = union(
        cavity(p) - 13,
        ellipsoid(both, (66, -84, 34), (54, 16, 48)),
        capsules(both, ((26, 98, -240), (28, 100, 0), (22, 88, 130)), 20),
        ellipsoid(both, (128, 34, -20), (16, 52, 90)),
        ellipsoid(both, (96, 72, 34), (46, 26, 66)),
        ellipsoid(both, (100, 30, 92), (48, 44, 40)),
        capsules(p, ((0, 40, 150), (0, 50, 80)), 52),
        soft=10,
    )
    return np.asarray(np.maximum(whole, skin(p, fat_mm) + 4))


def heart(p: Points) -> Distance:
    """The heart with its walls."""
    parts = [ellipsoid(p, centre, axes) - WALLS[name] for name, (centre, axes) in HEART.items()]
    return union(*parts, soft=10)


def chambers(p: Points, *names: str) -> Distance:
    """The blood in some chambers."""
    return union(*(ellipsoid(p, *HEART[name]) for name in names), soft=5)


def mirrored(p: Points) -> Points:
    """Both sides on the left."""
    return np.concatenate([np.abs(p[..., :1]), p[..., 1:]], axis=-1)


def core(p: Points) -> Distance:
    """What stands between the lungs: spine, heart and its fat, great vessels, hila."""
    x, y, z = np.moveaxis(p, -1, 0)
    front = np.interp(y, (-95, -60, -20, 30, 60), (5, 20, 30, 24, 20))
    front = front * np.interp(z, (-55, -5), (0.35, 1))
    upper = np.maximum(np.abs(x) - front, np.abs(z - 70) - 125)
    both = mirrored(p)
    return union(
        capsules(p, ((0, 78, -240), (0, 74, 0), (0, 64, 140)), 27),
        heart(p) - 4,
        ellipsoid(p, (4, -4, -76), (34, 48, 44)),
        capsules(p, LOWER_CAVA, 13),
        upper,
        capsules(p, ARCH, 16),
        capsules(p, ((-32, -14, 110), (-31, -14, -40)), 12),
        ellipsoid(both, (38, 14, -24), (14, 14, 24)),
        soft=8,
    )


def diaphragm(p: Points) -> Distance:
    """Below it the belly (negative)."""
    x, y, z = np.moveaxis(p, -1, 0)
    height = np.full(x.shape, -400.0)
    for cx, cy, top in DOMES:
        fall = ((x - cx) / 66) ** 2 + ((y - cy) / np.where(y > cy, 78, 92)) ** 2
        height = np.maximum(height, top - 42 * fall**1.15)
    return np.asarray((z - height) * 0.75)


def obstacles(p: Points) -> Distance:
    """What vessels of the lung go round."""
    return union(heart(p), capsules(p, ARCH, 14), diaphragm(p))


def lungs(p: Points) -> Distance:
    """Both lungs."""
    return without(cavity(p), core(p), diaphragm(p), soft=7)


def fissures(p: Points) -> Distance:
    """How far a place lies from the fissures between lobes (never negative)."""
    x, y, z = np.moveaxis(p, -1, 0)
    oblique = np.abs((z + 20) * 0.76 - (y - 10) * 0.65)
    flat = np.abs(z + 8 + 0.12 * y) + np.where((x < 0) & (y < 12), 0, 50)
    return np.asarray(np.minimum(oblique, flat))
