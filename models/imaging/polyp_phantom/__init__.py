"""Synthetic colonoscopy with polyps: frames of one tube, drawn as an endoscope would see it.

A colon is a tube of maps (colon.py) on which polyps (growths.py, heads.py) and things that resemble
them (decoys.py) stand; a lens on its way (path.py) sees what is in front (sight.py), and a camera
makes a picture of it (scope.py). The truth is which pixels meet a polyp, its stalk included.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import Mask, Pixels
from models.imaging.brush import Light, bubble
from models.imaging.polyp_phantom import colon as tube
from models.imaging.polyp_phantom import decoys, growths, path
from models.imaging.polyp_phantom.colon import Colon
from models.imaging.polyp_phantom.decoys import Bubble
from models.imaging.polyp_phantom.growths import Polyp
from models.imaging.polyp_phantom.scope import FOLD, Scope, camera, smeared
from models.imaging.polyp_phantom.sight import Pose, Seen, feet, looking, see
from models.task import Phantom

FRAMES = 6  # of a patient's video; one of them looks past the polyp
HEALTHY = 5  # every fifth patient has no polyp
SHARES = (0.015, 0.36)  # of the field that polyps cover, about, where there are any
NEAR_ENOUGH = 0.5  # to the share that is asked for, as a logarithm
LENGTH = 12.0  # of the stretch of colon, in radii
MIDDLE = (4.0, 5.0)  # where the polyp sits in it
LOOKS = 8  # at most, for a polyp of the right size in sight, or none
GLIMPSE = 5  # a first look is so much coarser


@dataclass(frozen=True)
class Video:
    """What the frames of one patient share."""

    camera: Scope
    colon: Colon
    polyps: tuple[Polyp, ...]
    places: tuple[tuple[float, float], ...]  # (along, turn) of the decoys
    bubbles: tuple[Bubble, ...]


def patient(rng: np.random.Generator, index: int) -> Phantom:
    """FRAMES frames of one colonoscopy, a mask and a row for each, all zero where there is none."""
    subject, video = f"colonoscopy_{index:03d}", _video(rng, healthy=index % HEALTHY == HEALTHY - 1)
    past = int(rng.integers(FRAMES))
    files: dict[str, bytes] = {}
    rows = []
    for number in range(FRAMES):
        pixels, mask = _still(rng, video, with_polyp=bool(video.polyps) and number != past)
        picture, truth = f"images/{subject}_{number}.jpg", f"masks/{subject}_{number}.png"
        quality = [cv2.IMWRITE_JPEG_QUALITY, video.camera.quality]
        coded = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        files[picture] = cv2.imencode(".jpg", coded, quality)[1].tobytes()
        files[truth] = cv2.imencode(".png", mask * np.uint8(255))[1].tobytes()
        rows.append({"file_name": picture, "mask": truth, "subject": subject})
    return Phantom(subject, files, tuple(rows))


def frames(
    rng: np.random.Generator, count: int, size: tuple[int, int] = (320, 288)
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One continuous video: images [count, height, width, 3] RGB and masks [count, height, width].

    A polyp comes into view and is passed. `size` is (width, height). See `film` for long ones.
    """
    images, masks = zip(*film(rng, count, size), strict=True)
    return np.stack(images), np.stack(masks)


def film(
    rng: np.random.Generator, count: int, size: tuple[int, int] = (320, 288)
) -> Iterator[tuple[Pixels, Mask]]:
    """The frames of `frames` one by one."""
    video = _video(rng, healthy=False, size=size)
    polyp = video.polyps[0]
    ends = (_unseen(video, polyp), polyp.along + 1.0)
    before: Pose | None = None
    for pose in path.drive(rng, video.colon, polyp, ends, count):
        seen = _looked(video, pose)
        light = _foamed(video, pose, seen, video.camera.exposed(seen))
        sway = (0.0, 0.0) if before is None else _sway(video.camera, before, pose)
        yield video.camera.developed(rng, light, sway), _truth(video, seen)
        before = pose


def _video(
    rng: np.random.Generator, *, healthy: bool, size: tuple[int, int] | None = None
) -> Video:
    """A colon with what stands in it, and the camera that sees it."""
    colon = tube.bare(rng, LENGTH)
    polyps = () if healthy else _polyps(rng, colon, several=size is None)
    places = []
    for kind in rng.choice(decoys.KINDS, 7, p=[0.25, 0.1, 0.2, 0.2, 0.15, 0.1]).tolist():
        along, turn = float(rng.uniform(2.5, 7.0)), float(rng.uniform(0, 2 * np.pi))
        if all(_apart(polyp, along, turn) for polyp in polyps):
            decoys.decoy(rng, colon, along, turn, kind)
            places.append((along, turn))
    foams = [decoys.foam(rng, *place) for place in places if rng.random() < 0.25]
    bubbles = tuple(bubble for foam in foams for bubble in foam)
    return Video(camera(rng, size), colon, polyps, tuple(places), bubbles)


def _polyps(rng: np.random.Generator, colon: Colon, *, several: bool) -> tuple[Polyp, ...]:
    """One polyp, or now and then a second one beside it."""
    along, turn = float(rng.uniform(*MIDDLE)), float(rng.uniform(0, 2 * np.pi))
    kinds = rng.choice(growths.KINDS, 2, p=[0.25, 0.35, 0.2, 0.2]).tolist()
    beside = turn + float(rng.choice([-1, 1]) * rng.uniform(0.8, 1.3))
    first = growths.polyp(rng, colon, along, turn, kinds[0])
    if not several or rng.random() > 0.2:
        return (first,)
    along += float(rng.uniform(-0.5, 0.5))
    return first, growths.polyp(rng, colon, along, beside % (2 * np.pi), kinds[1])


def _apart(polyp: Polyp, along: float, turn: float) -> bool:
    between = abs((turn - polyp.turn + np.pi) % (2 * np.pi) - np.pi)
    return abs(along - polyp.along) > decoys.REACH or between > 1.2


# ---- one frame ------------------------------------------------------------------------------


def _still(rng: np.random.Generator, video: Video, *, with_polyp: bool) -> tuple[Pixels, Mask]:
    """A frame that shows a polyp at a random size, or one that shows none."""
    pose = _at_polyp(rng, video) if with_polyp else _past_polyps(rng, video)
    seen = _looked(video, pose)
    if not with_polyp and _truth(video, seen).any():  # too small for a glimpse
        pose = _behind_polyps(rng)
        seen = _looked(video, pose)
    light = smeared(rng, _foamed(video, pose, seen, video.camera.exposed(seen)))
    sway = rng.normal(0, 1.2, 2).tolist()
    return video.camera.developed(rng, light, (sway[0], sway[1])), _truth(video, seen)


def _at_polyp(rng: np.random.Generator, video: Video) -> Pose:
    """A pose from which polyps cover about a share of the field that is drawn from SHARES."""
    polyp = video.polyps[int(rng.integers(len(video.polyps)))]
    share = float(np.exp(rng.uniform(*np.log(SHARES))))
    distance = path.at_share(polyp, share, video.camera)
    tried: list[tuple[float, Pose]] = []
    for _ in range(LOOKS):
        place = (polyp.along, polyp.turn)
        pose = path.aimed(rng, video.colon, video.camera, place, polyp.top, distance)
        found = _glimpsed(video, pose)
        tried.append((abs(float(np.log((found + 1e-5) / share))), pose))
        if tried[-1][0] < NEAR_ENOUGH:
            break
        farther = float(np.clip((found / share) ** 0.5, 0.65, 1.4))
        distance = float(np.clip(distance * farther, path.NEAREST, path.FARTHEST))
    return min(tried, key=lambda look: look[0])[1]


def _past_polyps(rng: np.random.Generator, video: Video) -> Pose:
    """A pose that looks at a decoy, or down the tube, and sees no polyp."""
    for _ in range(LOOKS):
        if not video.places:
            break
        place = video.places[int(rng.integers(len(video.places)))]
        far = float(rng.uniform(0.6, 1.8))
        pose = path.aimed(rng, video.colon, video.camera, place, 0.1, far)
        if _glimpsed(video, pose) == 0:
            return pose
    return _behind_polyps(rng)


def _behind_polyps(rng: np.random.Generator) -> Pose:
    """A look down the tube from where all polyps have been passed."""
    ahead = np.array([*rng.normal(0, 0.1, 2), 1.0])
    return looking(MIDDLE[1] + 1.6, (0.0, 0.0), ahead, float(rng.uniform(-np.pi, np.pi)))


def _glimpsed(video: Video, pose: Pose) -> float:
    """About the share of the field that polyps cover."""
    camera = video.camera
    rays = camera.rays.reshape(3, -1)[:, :: GLIMPSE**2]
    rays = rays[:, : rays.shape[1] // FOLD * FOLD].reshape(3, -1, FOLD)
    seen = see(video.colon, video.polyps, pose, rays, camera.density / GLIMPSE)
    return float(seen.polyp.mean())


def _looked(video: Video, pose: Pose) -> Seen:
    return see(video.colon, video.polyps, pose, video.camera.rays, video.camera.density)


def _truth(video: Video, seen: Seen) -> Mask:
    return np.asarray(video.camera.laid_out(seen.polyp) & video.camera.field, np.uint8)


def _foamed(video: Video, pose: Pose, seen: Seen, light: Light) -> Light:
    """Draws the bubbles that are in sight."""
    height, width = light.shape[:2]
    if not video.bubbles:
        return light
    wall = video.camera.laid_out(seen.distance)
    places = np.array([(drop.along, drop.turn) for drop in video.bubbles])
    for drop, foot in zip(video.bubbles, feet(video.colon, pose, *places.T).T, strict=True):
        far = float(np.linalg.norm(foot))
        x, y = video.camera.pixel(pose.turned.T @ foot)
        if not (0 <= x < width and 0 <= y < height) or far > 2.5:
            continue
        radius = round(drop.size / far * video.camera.density)
        if 2 <= radius <= 40 and abs(float(wall[int(y), int(x)]) - far) < 0.12:
            bubble(light, int(x), int(y), radius)
    return light


def _unseen(video: Video, polyp: Polyp) -> float:
    """A place before the polyp from which it cannot be seen yet, or hardly."""
    for back in np.arange(2.0, 6.5, 0.5).tolist():
        pose = looking(polyp.along - back, (0.0, 0.0), path.DOWN_THE_TUBE, 0.0)
        if not _truth(video, _looked(video, pose)).any():
            break
    return float(polyp.along - back)


def _sway(scope: Scope, before: Pose, now: Pose) -> tuple[float, float]:
    """How far the picture moved between two poses, pixels, as much as shows within one frame."""
    x, y = scope.pixel(now.turned.T @ before.turned[:, 2])
    step_x, step_y = np.clip([x - scope.middle[0], y - scope.middle[1]], -6, 6).tolist()
    return 0.5 * step_x, 0.5 * step_y
