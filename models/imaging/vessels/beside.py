"""What runs beside a vessel, turn by turn around it, averaged along the way it was walked.

An artery of the lung has a bronchus at its side, and a vein has none. A bronchus full of mucus, in
the picture as dark as a clot, has a bright artery at its side. One slice across does not show it
for noise; the mean along the vessel does, and what only passes by is lost in it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.vessels.grid import Hu
from models.imaging.vessels.lumen import Contrast, share_of_lumen
from models.imaging.vessels.ridges import Shown, between, measured_at
from models.imaging.vessels.walks import Walks, across, through

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

RINGS_MM = np.array([0.0, 0.75, 1.5, 2.25, 3.0, 3.75, 4.5, 5.25, 6.0, 7.0, 8.0])
OWN = 3  # of the rings: the vessel itself
OUTSIDE = 2  # the first ring in which air is looked for
TURNS = 16
STRETCHES = ((4, 1), (12, 2))  # steps of the walk either way, and every which of them
CLEAR, BRIGHT = 0.15, 0.3  # a rise on the way from lung to lumen
APART = 4  # turns: a quarter of the way round is another side
LEAST = 8  # of the ring's samples are as dark as air, where there is any
DARKEST, BRIGHTEST = -0.4, 1.3  # on the way from lung to lumen: bone and metal count as lumen
CHUNK = 400
OF_RING = ("most", "least", "mean", "middle")
OF_NEIGHBOUR = ("rise", "level", "unrest", "lowest", "gap", "away_mm", "radius_mm", "dark",
                "own_dark", "own_mm", "wider_mm", "darker", "sides_clear", "sides_bright",
                "second", "air", "own", "airs")  # fmt: skip
FACTS = tuple(
    f"{stretch}_{name}"
    for stretch in ("near", "far")
    for name in (*(f"{what}_{k}" for what in OF_RING for k in range(len(RINGS_MM))), *OF_NEIGHBOUR)
)


@dataclass(frozen=True, eq=False)
class Around:
    """Of n places: where was looked [n, steps, rings, turns, 3] (z, y, x), what was `seen` there,
    and the mean along the vessel and what it varies by [n, rings, turns].
    """

    at: Floats
    seen: Floats
    mean: Floats
    varies: Floats


def greys(hu: Hu, contrast: Contrast) -> Hu:
    """HU on the way from lung (0) to lumen (1), unblurred: bronchi are thin."""
    return np.clip(share_of_lumen(hu, contrast), DARKEST, BRIGHTEST)


def facts(picture: Hu, shown: Shown, walks: Walks, step_mm: Floats) -> Floats:
    """[n, FACTS] of a picture as `greys` gives it.

    For a near and a far stretch of the vessel: of each ring around it what is most, least, mean
    and in the middle over the turns; and of its neighbour, the clearest rise on the way outwards:
    how much, level, unrest and lowest along the vessel, the gap before it, distance, radius and
    darkness, the vessel's own, the differences; on how many sides there is such a one, the best of
    another side; how much air there is.
    """
    tracks = through(walks)[..., :3]
    ahead = directions(tracks, step_mm)
    middle, rows = tracks.shape[1] // 2, []
    for first in range(0, len(tracks), CHUNK):
        some = slice(first, first + CHUNK)
        columns = []
        for reach, every in STRETCHES:
            steps = middle + np.arange(-reach, reach + 1, every)
            around = _around(picture, tracks[some, steps], ahead[some, steps], step_mm)
            columns += [_rings(around), _neighbour(around, shown)]
        rows.append(np.concatenate(columns, axis=1))
    return np.concatenate(rows) if rows else np.empty((0, len(FACTS)))


def directions(tracks: Floats, step_mm: Floats) -> Floats:
    """Of tracks [n, steps, 3] (z, y, x on the grid), unit vectors in mm."""
    ahead = np.gradient(tracks * step_mm, axis=1)
    return np.asarray(ahead / (np.linalg.norm(ahead, axis=2, keepdims=True) + 1e-9))


def _around(picture: Hu, track: Floats, ahead: Floats, step_mm: Floats) -> Around:
    """Around tracks [n, steps, 3] that run `ahead`: turn 0 is the same side all along."""
    at = rings(track, ahead, RINGS_MM, TURNS, step_mm)
    seen = between(picture, at)
    return Around(at, seen, seen.mean(axis=1), seen.std(axis=1))


def rings(track: Floats, ahead: Floats, radii_mm: Floats, turns: int, step_mm: Floats) -> Floats:
    """[n, steps, radii, turns, 3] (z, y, x on the grid): rings around tracks that run `ahead`."""
    angles = np.arange(turns) * 2 * np.pi / turns
    one, two = (side[:, :, None, None] for side in _frames(ahead))
    out = np.cos(angles)[:, None] * one + np.sin(angles)[:, None] * two
    return np.asarray(track[:, :, None, None] + radii_mm[:, None, None] * out / step_mm)


def _frames(ahead: Floats) -> tuple[Floats, Floats]:
    """Two directions across each way [n, steps, 3], carried along from the middle one."""
    one = across(ahead[:, ahead.shape[1] // 2])[0][:, None]
    one = one - (one * ahead).sum(axis=2, keepdims=True) * ahead
    one = one / (np.linalg.norm(one, axis=2, keepdims=True) + 1e-9)
    return one, np.cross(ahead, one)


def _rings(around: Around) -> Floats:
    mean = around.mean
    rows = [mean.max(axis=2), mean.min(axis=2), mean.mean(axis=2), np.median(mean, axis=2)]
    return np.concatenate(rows, axis=1)


def _neighbour(around: Around, shown: Shown) -> Floats:
    """[n, OF_NEIGHBOUR]: the ring and turn to which the mean rises most from the lowest within."""
    mean, n = around.mean, np.arange(len(around.mean))
    lowest = np.minimum.accumulate(mean, axis=1)
    rise = mean - lowest
    ring, turn = np.divmod(rise.reshape(len(n), -1).argmax(axis=1), TURNS)
    radius, dark = _told(shown, around.at[n, :, ring, turn])
    own_radius, own_dark = _told(shown, around.at[:, :, 0, 0])
    best = rise.max(axis=1)
    aside = np.abs((np.arange(TURNS) - turn[:, None] + TURNS // 2) % TURNS - TURNS // 2)
    outside = np.sort(mean[:, OUTSIDE:].reshape(len(n), -1), axis=1)
    return np.stack([
        rise[n, ring, turn], mean[n, ring, turn], around.varies[n, ring, turn],
        around.seen[n, :, ring, turn].min(axis=1), lowest[n, ring, turn], RINGS_MM[ring],
        radius, dark, own_dark, own_radius, radius - own_radius, dark - own_dark,
        (best > CLEAR).sum(axis=1), (best > BRIGHT).sum(axis=1),
        np.where(aside >= APART, best, -1.0).max(axis=1), outside[:, 0],
        mean[:, :OWN].mean(axis=(1, 2)), outside[:, :LEAST].mean(axis=1),
    ], axis=1)  # fmt: skip


def _told(shown: Shown, at: Floats) -> tuple[Floats, Floats]:
    """Radius and darkness, the median along the vessel, of places [n, steps, 3]."""
    radius, dark, _ = measured_at(shown, at)
    return np.median(radius, axis=1), np.median(dark, axis=1)
