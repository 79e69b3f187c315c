"""Where the lens goes: single looks at one place, and a smooth drive through the tube."""

from collections.abc import Callable, Iterator

import numpy as np

from models.imaging.polyp_phantom.colon import Colon
from models.imaging.polyp_phantom.growths import Polyp
from models.imaging.polyp_phantom.scope import Scope
from models.imaging.polyp_phantom.sight import Pose, looking, stance

NEAREST, FARTHEST = 0.32, 3.0  # of the lens from what it looks at
DOWN_THE_TUBE = np.array([0.0, 0.0, 1.0])


def at_share(polyp: Polyp, share: float, scope: Scope) -> float:
    """The distance at which a polyp fills about `share` of the field."""
    wide = polyp.size * (1.35 if polyp.solid else 1.25)  # as more is hidden than stands out
    return float(np.clip(wide * np.sqrt(np.pi / (3.2 * share)) / scope.reach, NEAREST, FARTHEST))


def aimed(
    rng: np.random.Generator, colon: Colon, scope: Scope, place: tuple[float, float],
    top: float, distance: float,
) -> Pose:  # fmt: skip
    """Looks from `distance` at what stands `top` high at a place (along, turn), lumen beside it."""
    along, turn = place
    out = np.array([np.cos(turn), np.sin(turn)])
    closer = max(float(rng.uniform(-0.25, 0.4)), 1 - 0.6 * top - 0.8 * distance)
    closer = min(closer, 0.74 - top)  # the lens stays clear of it
    off = closer * out + float(rng.normal(0, 0.1)) * np.array([-out[1], out[0]])
    below = max(1 - closer - 0.6 * top, 0.15)
    back = float(np.sqrt(max(distance**2 - below**2, 0.12**2)))
    lens = Pose(along - back, (float(off[0]), float(off[1])), np.eye(3))
    there = stance(colon, lens, along, turn)
    goal = there.foot + there.axes[2] * top * 0.6
    goal /= np.linalg.norm(goal)
    # The goal lies off the middle of the picture, on the side away from the lumen.
    aside = float(rng.uniform(0.0, 0.6)) * scope.reach
    share = min(1.0, aside / max(float(np.arccos(np.clip(goal[2], -1, 1))), 1e-3))
    ahead = goal * (1 - share) + DOWN_THE_TUBE * share
    ahead = ahead / np.linalg.norm(ahead) + rng.normal(0, 0.10, 3)
    return looking(lens.along, lens.off, ahead, float(rng.uniform(-np.pi, np.pi)))


def drive(
    rng: np.random.Generator, colon: Colon, polyp: Polyp, ends: tuple[float, float], count: int
) -> Iterator[Pose]:
    """`count` poses from one place along the tube to another, with an eye on the polyp.

    The lens wanders as a hand does, turns towards the polyp while it comes near, and passes it.
    """
    x, y, yaw, pitch, roll = (_wandering(rng) for _ in range(5))
    for time in np.linspace(0, 1, count).tolist():
        along = ends[0] + (ends[1] - ends[0]) * time
        off = (0.2 * x(time), 0.2 * y(time))
        goal = stance(colon, Pose(along, off, np.eye(3)), polyp.along, polyp.turn).foot
        far = float(np.linalg.norm(goal))
        heed = 0.65 * np.exp(-(((far - 1.1) / 0.9) ** 2)) * np.clip(goal[2] / 0.5, 0, 1)
        ahead = np.array([0.2 * yaw(time), 0.2 * pitch(time), 1.0]) * (1 - heed)
        yield looking(along, off, ahead + goal / far * heed, 0.4 * roll(time))


def _wandering(rng: np.random.Generator) -> Callable[[float], float]:
    """A smooth number about zero over the time 0..1: three slow waves, at most 1.6."""
    strength, turn = rng.uniform(-1, 1, 3) * [0.8, 0.5, 0.3], rng.uniform(0, 2 * np.pi, 3)
    waves = 2 * np.pi * np.array([1.3, 2.9, 5.3])
    return lambda time: float((strength * np.sin(waves * time + turn)).sum())
