"""What a lens in the colon sees: rays meet the wall, then whatever stands in front of it.

The wall is looked up, not searched. Around the line through the lens along the tube, the wall's
distance from that line is a function of place and turn; a ray with a given angle to the line meets
the first place whose own angle is not above it, so a running minimum along the tube is exact
visibility, folds and what they hide included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.imaging.brush import Light, Plane
from models.imaging.polyp_phantom import heads
from models.imaging.polyp_phantom.colon import (
    ALONG,
    AROUND,
    GLOSS,
    PITS,
    POLYP,
    THIN,
    TILE,
    Colon,
)
from models.imaging.polyp_phantom.growths import Polyp
from models.imaging.polyp_phantom.heads import Stance

DEPTHS = 2.4  # places along the tube to a ray per radian; at least DEPTHS_MIN
DEPTHS_MIN = 100
TURNS = 0.75  # of the rays in a full turn
BACK, AHEAD, FINE = -2.2, 8.0, 0.30  # the stretch looked at, and how fine it is near the lens
TURN = np.float32(2 * np.pi)
BLOOD = np.array([0.12, 0.40, 0.36], np.float32)  # what a vessel takes out of red, green, blue
UNEVEN = 0.16  # of a wet wall
DARK = np.float32(0.3)  # past a bend


@dataclass(frozen=True)
class Pose:
    """The lens: its place along the tube, off its middle line, and where it looks."""

    along: float
    off: tuple[float, float]
    turned: NDArray[np.float64]  # [3, 3] columns: right, down, ahead, in the tube's frame


@dataclass(frozen=True)
class Seen:
    """Per ray what is met there; light is relative, before any exposure."""

    colour: Light  # [y, x, 3], the others [y, x], as the rays are
    lit: Plane
    gleam: Plane
    distance: Plane
    polyp: NDArray[np.bool_]


def looking(
    along: float, off: tuple[float, float], ahead: NDArray[np.float64], roll: float
) -> Pose:
    """A pose that looks along `ahead` [3], with the picture turned by `roll`."""
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross([0.0, 1.0, 0.0], ahead)
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    cos, sin = np.cos(roll), np.sin(roll)
    columns = [cos * right + sin * down, cos * down - sin * right, ahead]
    return Pose(along, off, np.column_stack(columns))


def stance(colon: Colon, pose: Pose, along: float, turn: float) -> Stance:
    """Where a place of the wall lies for the lens."""
    foot = feet(colon, pose, np.array([along]), np.array([turn]))[:, 0]
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    return Stance(foot, np.array([[0.0, 0.0, 1.0], [-sin, cos, 0.0], [-cos, -sin, 0.0]]))


def feet(
    colon: Colon, pose: Pose, along: NDArray[np.float64], turn: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[3, n] where places of the wall lie for the lens."""
    reach = 1 - _picked(colon.relief, turn[:, None], along[:, None])[:, 0]
    x, y = _middle(colon, pose, along)
    return np.stack([x + reach * np.cos(turn), y + reach * np.sin(turn), along - pose.along])


def _middle(colon: Colon, pose: Pose, along: NDArray[np.float64]) -> NDArray[np.float64]:
    """[2, n] the tube's middle as the lens sees it, looking along the tube's heading."""
    here = np.array([pose.along])
    drift = colon.slope(pose.along)[:, None] * (along - pose.along)
    return np.asarray(colon.centre(along) - colon.centre(here) - drift - np.array([pose.off]).T)


def _picked(
    plane: NDArray[np.float32], turn: NDArray[np.floating], along: NDArray[np.floating]
) -> NDArray[np.float32]:
    """A map of the colon at places, with turns in 0..2 pi."""
    columns = np.asarray(turn * np.float32(AROUND / TURN), np.float32)
    rows = np.asarray(np.broadcast_to(along * np.float32(ALONG), columns.shape), np.float32)
    picked = cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(picked, np.float32)


def see(
    colon: Colon, polyps: Sequence[Polyp], pose: Pose, rays: NDArray[np.float32], density: float
) -> Seen:
    """Everything along the camera's rays [3, y, x], of which there are `density` to the radian."""
    world = np.asarray(pose.turned.astype(np.float32) @ rays.reshape(3, -1), np.float32)
    x, y, ahead = world.reshape(rays.shape)
    angle = np.maximum(np.arccos(np.clip(ahead, -1, 1)), np.float32(1e-3))
    turn = np.asarray(cv2.phase(x, y), np.float32)
    seen = _lit(colon, pose, _wall(colon, pose, turn, angle, density))
    for polyp in polyps:
        if polyp.solid:
            _stood(seen, colon, polyp, stance(colon, pose, polyp.along, polyp.turn), world)
    return seen


# ---- the wall -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wall:
    """Per ray where the wall is met, about the line through the lens along the tube."""

    r: Plane  # how far from the line
    z: Plane  # how far along it
    along: Plane  # how r changes along the line
    around: Plane  # and around it, per length
    at: Plane  # turn about the tube's own middle
    beyond: NDArray[np.bool_]  # past a bend, where nothing more is known


def _wall(colon: Colon, pose: Pose, turn: Plane, angle: Plane, density: float) -> Wall:
    """Where the rays, given by their turn about the line and their angle to it, meet the wall."""
    z, r, lag, end = _cast(colon, pose, density)
    angles = np.arange(int(angle.max() * density) + 3, dtype=np.float32) / np.float32(density)
    met = _first_met(z, r, angles)
    rows, columns = turn * np.float32((len(r) - 1) / TURN), angle * np.float32(density)
    near = cv2.remap(met, columns, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    index = cv2.remap(met, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # Between a fold and what lies behind it there is nothing in the middle.
    index = np.where(np.abs(index - near) > 2.5, near, index)
    planes = cv2.merge([r, *_slopes(z, r), lag])
    fields = cv2.remap(planes, index, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    r, along, around, lag = (np.ascontiguousarray(fields[..., k], np.float32) for k in range(4))
    r = np.maximum(r, np.float32(1e-3))
    z = np.interp(index, np.arange(len(z)), z).astype(np.float32)
    at = np.asarray(np.mod(turn + lag, TURN), np.float32)
    return Wall(r, z, along, around, at, index > end)


def _cast(colon: Colon, pose: Pose, density: float) -> tuple[Plane, Plane, Plane, float]:
    """Places z [depths] around the lens; how far the wall is from the line through it, and how far
    its turn about the tube lags behind that about the line [turns + 1, depths]; and the index of
    the last place before the line leaves the tube.
    """
    depths, turns = max(DEPTHS_MIN, round(DEPTHS * density)), round(TURNS * 2 * np.pi * density)
    z = FINE * np.sinh(np.linspace(np.arcsinh(BACK / FINE), np.arcsinh(AHEAD / FINE), depths))
    x, y = _middle(colon, pose, pose.along + z).astype(np.float32)
    turn = (np.arange(turns + 1) * (2 * np.pi / turns)).astype(np.float32)[:, None]
    cos, sin = np.cos(turn), np.sin(turn)
    towards, off = cos * x + sin * y, x * x + y * y
    room = towards * towards - off
    r = towards + np.sqrt(np.maximum(room + np.float32(0.9), 0))
    at = np.asarray(cv2.phase(r * cos - x, r * sin - y), np.float32)
    reach = 1 - _picked(colon.relief, at, (pose.along + z).astype(np.float32)[None, :])
    r = towards + np.sqrt(np.maximum(reach * reach + room, 0))
    inside = off < 0.85
    ends = np.flatnonzero(~inside & (z > 0))
    end = float(ends[0] - 1) if len(ends) else np.inf
    r = np.maximum(np.where(inside, r, 0), 0)
    lag = np.mod(at - turn + np.float32(np.pi), TURN) - np.float32(np.pi)  # has no seam
    return z.astype(np.float32), r, lag, end


def _first_met(z: Plane, r: Plane, angles: Plane) -> Plane:
    """[turns, angles] index, with fraction, of the first place along the tube that a ray meets."""
    every_z = np.ascontiguousarray(np.broadcast_to(z, r.shape))
    own = np.minimum.accumulate(np.asarray(cv2.phase(every_z, r), np.float32), axis=1)
    rising = own[:, ::-1].astype(np.float64)
    asked = np.clip(angles, rising[:, :1], rising[:, -1:])
    # All turns in one search, each shifted past the one before it.
    shift = 4.0 * np.arange(len(r))[:, None]
    places = np.broadcast_to(np.arange(len(z), dtype=np.float64)[::-1], r.shape)
    index = np.interp((asked + shift).ravel(), (rising + shift).ravel(), places.ravel())
    return np.asarray(index.reshape(asked.shape), np.float32)


def _slopes(z: Plane, r: Plane) -> tuple[Plane, Plane]:
    """How the wall's distance from the line changes along the tube, and around it, per length."""
    along = np.empty_like(r)
    along[:, 1:-1] = (r[:, 2:] - r[:, :-2]) / (z[2:] - z[:-2])
    along[:, 0], along[:, -1] = along[:, 1], along[:, -2]
    around = np.empty_like(r)
    around[1:-1] = r[2:] - r[:-2]
    around[0] = around[-1] = r[1] - r[-2]
    around *= np.float32((len(r) - 1) / (2 * TURN)) / np.maximum(r, np.float32(0.05))
    return np.clip(along, -8, 8), np.clip(around, -8, 8)


# ---- light ----------------------------------------------------------------------------------


def _lit(colon: Colon, pose: Pose, wall: Wall) -> Seen:
    """The wall in the light of a lamp at the lens."""
    r, z, along, around, at = wall.r, wall.z, wall.along, wall.around, wall.at
    d = np.hypot(r, z)
    where = z + np.float32(pose.along)
    marks, colour = _picked(colon.marks, at, where), _picked(colon.paint, at, where)
    rows = where * np.float32(TILE / TURN)
    rows -= TILE * np.floor(rows / TILE)
    columns = at * np.float32(TILE / TURN)
    tile = np.asarray(cv2.remap(colon.tile, columns, rows, cv2.INTER_LINEAR), np.float32)
    vessels = tile[..., 0] * marks[..., THIN] * np.clip(1.6 - 0.35 * d, 0, 1)
    pits = 1 + (0.015 + 0.05 * marks[..., PITS]) * tile[..., 1] / (0.6 + d)
    colour *= pits[..., None] * (1 - vessels[..., None] * BLOOD)
    upright = (r - z * along) / np.sqrt(1 + along * along + around * around) / d
    lean = (r * along + z) / np.sqrt(1 + along * along) * tile[..., 3]
    lean += r * around / np.sqrt(1 + around * around) * tile[..., 2]
    lean /= -d
    steep = 1 + UNEVEN**2 * (tile[..., 2] ** 2 + tile[..., 3] ** 2)
    gleam = gleaming((upright + UNEVEN * lean) / np.sqrt(steep)) * np.exp(-0.5 * d * d)
    lit = light(np.clip(upright + 0.05 * lean, 0, 1), d) * np.where(wall.beyond, DARK, 1)
    polyp = (marks[..., POLYP] > 0.5) & ~wall.beyond
    return Seen(colour, lit, marks[..., GLOSS] * gleam, d, polyp)


def light(facing: NDArray[np.float32], d: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light that comes back from a place: less when it is far or seen from the side."""
    return np.asarray((0.10 + 0.90 * facing) / ((d * d + 0.06) * (1 + (d / 2.6) ** 3)), np.float32)


def gleaming(glint: NDArray[np.float32]) -> NDArray[np.float32]:
    """The lamp's image on a wet surface, and the sheen about it."""
    off = glint - 1
    spots, sheen = np.maximum(1.8 * np.exp(170 * off) - 0.4, 0), 0.10 * np.exp(14 * off)
    return np.asarray(spots + sheen, np.float32)


def _stood(seen: Seen, colon: Colon, polyp: Polyp, at: Stance, world: NDArray[np.float32]) -> None:
    """Puts a polyp's head into what is seen, and its shade on the wall."""
    walls = seen.distance.reshape(-1)
    around, left = heads.shade(polyp, at, world, walls)
    seen.lit.reshape(-1)[around] *= left
    seen.gleam.reshape(-1)[around] *= left
    found = heads.met(polyp, at, world, walls, colon)
    pixels, d, skin = found.pixels, found.distance, found.skin[:, None]
    colour = polyp.wall * (1 - skin) + polyp.colour * skin
    colour[:, 1:] *= 1 + 0.05 * skin * found.mottle[:, None]
    colour *= (1 + 0.05 * polyp.pits * found.pits / (0.6 + d))[:, None]
    seen.colour.reshape(-1, 3)[pixels] = colour
    seen.lit.reshape(-1)[pixels] = light(found.facing, d)
    seen.gleam.reshape(-1)[pixels] = 0.9 * gleaming(found.glint) / (0.4 + d)
    seen.distance.reshape(-1)[pixels] = d
    seen.polyp.reshape(-1)[pixels] = True
