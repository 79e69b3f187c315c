"""Heads of polyps: solids in front of the wall, met by the rays of the lens.

A solid is a distance: how far its skin is from any place. A ray goes on by that distance, again
and again, until it touches the skin or has passed. Here a polyp's size is the unit of length, and
the axes are its own: along the colon, around it, up from the wall.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.imaging.brush import step
from models.imaging.polyp_phantom.colon import TILE, Colon
from models.imaging.polyp_phantom.growths import Polyp

Vectors = NDArray[np.float32]  # [3, n]
Numbers = NDArray[np.float32]  # [n]
STEPS, TOUCHED = 60, 0.008  # of a ray at most; closer than this it has arrived
NEAR = 0.8  # how far around a polyp the shade that it casts is looked for
LAMP = np.array([0.10, -0.14, 0.0])  # off the lens, in radii of the colon
GRAIN = 60.0  # pixels of the fine texture to a polyp's half width
FOLD = 128  # OpenCV counts an output's columns by 16 bits: long rows of pixels are folded


@dataclass(frozen=True)
class Stance:
    """Where a place of the wall is for the lens, which is the origin; z runs along the tube."""

    foot: NDArray[np.float64]  # [3]
    axes: NDArray[np.float64]  # [3, 3] rows: along, around, up from the wall


@dataclass(frozen=True)
class Met:
    """Pixels in which a polyp is met, by their flat index, and what they show of it."""

    pixels: NDArray[np.intp]
    distance: Numbers  # in radii of the colon
    facing: Numbers  # how much of the lamp's light comes back
    glint: Numbers  # cosine between the view and the wet, uneven surface
    pits: Numbers
    mottle: Numbers
    skin: Numbers  # 0 where it is wall drawn up, 1 where it is polyp


def middle(polyp: Polyp) -> Numbers:
    """[3] of the head."""
    (along, around), rise = polyp.lean, polyp.rise
    return np.array([along * rise, around * rise, rise], np.float32)


def bound(polyp: Polyp) -> tuple[Numbers, float]:
    """A ball that holds all of a polyp above the wall: its middle [3] and radius."""
    lobes = np.linalg.norm(polyp.lobes[:, :3], axis=1) + polyp.lobes[:, 3]
    head = max(polyp.length, 1 / polyp.length, float(lobes.max())) + 0.12
    if not polyp.neck:
        return middle(polyp), head
    half = middle(polyp) * np.float32(0.5)
    return half, head + float(np.linalg.norm(half))


def distance(polyp: Polyp, at: Vectors) -> Numbers:
    """How far (about) the polyp's skin is from places; negative inside."""
    head = middle(polyp)
    x, y, z = at - head[:, None]
    long, flat = polyp.length, polyp.squash
    oval = np.sqrt((x / long) ** 2 + (y * long) ** 2 + (z / flat) ** 2)
    first, second = (a * x + b * y + up * z + turn for a, b, up, turn in polyp.waves.tolist())
    away = (oval - 1) * min(flat, long, 1 / long) + 0.07 * np.sin(first) * np.sin(second)
    for a, b, up, radius in polyp.lobes.tolist():
        ball = np.sqrt((x - a) ** 2 + (y - b) ** 2 + (z - up) ** 2)
        away = _melted(away, ball - radius, 0.26)
    if polyp.neck:
        share = np.clip(head @ at / float(head @ head), -0.2, 1.0)
        side = np.sqrt(((at - head[:, None] * share) ** 2).sum(axis=0))
        away = _melted(away, side - polyp.neck * (1 + 0.5 * (1 - share) ** 4), 0.22)
    return np.asarray(away, np.float32)


def _melted(first: Numbers, second: Numbers, width: float) -> Numbers:
    """The nearer of two skins, run into one another where they meet."""
    share = np.clip((second - first) * (0.5 / width) + 0.5, 0, 1)
    return np.asarray(second + share * (first - second - width + width * share), np.float32)


def met(polyp: Polyp, stance: Stance, rays: Vectors, walls: Numbers, colon: Colon) -> Met:
    """Follows the rays [3, n] until they touch the polyp or the wall, `walls` [n] away."""
    axes, size = stance.axes.astype(np.float32), polyp.size
    eye = -(axes @ stance.foot.astype(np.float32)) / np.float32(size)
    pixels = _towards(polyp, stance, rays, 1.0)
    directions = axes @ rays[:, pixels]
    gone, arrived = _followed(polyp, eye, directions, walls[pixels] / np.float32(size))
    pixels, directions, gone = pixels[arrived], directions[:, arrived], gone[arrived]
    at = eye[:, None] + directions * gone
    normal = _normal(polyp, at)
    frontal = np.clip(-(normal * directions).sum(axis=0), 0, 1)
    texture = _texture(polyp, at, colon) * np.minimum(1.6 * frontal, 1)[:, None]
    uneven = normal.copy()
    uneven[:2] += 0.12 * texture[:, 2:].T
    glint = -(uneven * directions).sum(axis=0) / np.sqrt((uneven * uneven).sum(axis=0))
    lamp = (axes @ LAMP.astype(np.float32) / np.float32(size) + eye)[:, None] - at
    return Met(
        pixels=pixels, distance=gone * np.float32(size), facing=_facing(polyp, at, normal, lamp),
        glint=np.clip(glint, 0, 1), pits=texture[:, 1], mottle=texture[:, 2],
        skin=_skin(polyp, at),
    )  # fmt: skip


def _towards(polyp: Polyp, stance: Stance, rays: Vectors, room: float) -> NDArray[np.intp]:
    """Indices of the rays that pass a polyp's bound, made wider by the factor `room`, ahead."""
    middle, radius = bound(polyp)
    goal = stance.foot + middle @ stance.axes * polyp.size
    far, radius = float(np.linalg.norm(goal)), radius * polyp.size * room
    if far <= radius:
        return np.arange(rays.shape[1])
    along = (goal / far).astype(np.float32) @ rays
    return np.flatnonzero(along > float(np.sqrt(1 - (radius / far) ** 2)))


def _followed(
    polyp: Polyp, eye: Numbers, directions: Vectors, walls: Numbers
) -> tuple[Numbers, NDArray[np.intp]]:
    """How far each ray has gone, and the indices of those that arrived."""
    middle, radius = bound(polyp)
    start = max(float(np.linalg.norm(middle - eye)) - radius, 0.02)
    end = np.minimum(walls, np.float32(start + 2 * radius))
    gone = np.full(directions.shape[1], start, np.float32)
    on_their_way = np.arange(directions.shape[1])
    arrived = []
    for _ in range(STEPS):
        away = distance(polyp, eye[:, None] + directions[:, on_their_way] * gone[on_their_way])
        touched = away < TOUCHED
        arrived.append(on_their_way[touched])
        on_their_way, away = on_their_way[~touched], away[~touched]
        gone[on_their_way] += away
        on_their_way = on_their_way[gone[on_their_way] < end[on_their_way]]
        if not len(on_their_way):
            break
    found = np.sort(np.concatenate(arrived))
    return gone, found[gone[found] < end[found]]


def _normal(polyp: Polyp, at: Vectors) -> Vectors:
    """The skin's direction outwards, by differences towards the corners of a tetrahedron."""
    normal = np.zeros_like(at)
    for corner in np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32)[
        ..., None
    ]:
        normal += corner * distance(polyp, at + np.float32(0.02) * corner)
    normal /= np.sqrt(np.maximum((normal * normal).sum(axis=0), 1e-9))
    return normal


def _facing(polyp: Polyp, at: Vectors, normal: Vectors, lamp: Vectors) -> Numbers:
    """Cosine to the lamp; less light in creases between lobes and near the wall."""
    cosine = (normal * lamp).sum(axis=0) / np.sqrt((lamp * lamp).sum(axis=0))
    crease = np.clip(distance(polyp, at + np.float32(0.3) * normal) / 0.3, 0, 1)
    lifted = step(at[2] - 0.3, 0.8)
    return np.asarray(np.clip(cosine, 0.12, 1) * (0.35 + 0.65 * crease) * (0.6 + 0.4 * lifted))


def _skin(polyp: Polyp, at: Vectors) -> Numbers:
    """A stalk and the foot of a sessile head are of the wall's own skin."""
    edge = polyp.rise - 0.8 * polyp.squash if polyp.neck else 0.0
    ragged = 0.12 * np.sin(5 * at[0]) * np.sin(4 * at[1])
    return step(at[2] - edge - ragged - 0.15, 0.5)


def _texture(polyp: Polyp, at: Vectors, colon: Colon) -> NDArray[np.float32]:
    """[n, 4] of the colon's fine texture, wrapped about the head."""
    short = -at.shape[1] % FOLD
    maps = []
    for axis, slant in ((0, 0.7), (1, -0.6)):
        place = (at[axis] + slant * at[2]) * GRAIN + polyp.shift[axis]
        folded = np.pad(np.mod(place, TILE), (0, short)).reshape(-1, FOLD)
        maps.append(np.asarray(folded, np.float32))
    columns, rows = maps
    if not columns.size:
        return np.zeros((0, 4), np.float32)
    picked = cv2.remap(colon.tile, columns, rows, cv2.INTER_LINEAR)
    return np.asarray(picked.reshape(-1, 4)[: at.shape[1]], np.float32)


def shade(
    polyp: Polyp, stance: Stance, rays: Vectors, walls: Numbers
) -> tuple[NDArray[np.intp], Numbers]:
    """Pixels of the wall near a polyp, and how much of the light it leaves them."""
    pixels = _towards(polyp, stance, rays, 1 + NEAR)
    axes, foot = stance.axes.astype(np.float32), stance.foot.astype(np.float32)
    at = axes @ (rays[:, pixels] * walls[pixels] - foot[:, None]) / np.float32(polyp.size)
    away = distance(polyp, np.asarray(at, np.float32))
    return pixels, np.asarray(1 - 0.55 * np.exp(np.minimum(-away, 0) / 0.22), np.float32)
