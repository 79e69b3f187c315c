"""Slices of one series put in order: whether they are one grid, can be brought onto one, or not.

The normal of a slice is row x column; slices ascend along it. Where their gaps differ or the
gantry was tilted they are interpolated onto a right-angled grid of even gaps (models.imaging.
volumes.regrid); what would have to be made up rather than interpolated is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.imaging.volumes.bounds import SLICES_MIN, SPACING_MM, VOXELS_MAX
from models.imaging.volumes.planes import Plane
from models.volume import VolumeError

Floats = NDArray[np.float64]

SAME_PLACE_MM = 0.01
EVEN_WITHIN, EVEN_WITHIN_MAX = 0.1, 0.2  # of the gap
ROUNDED_MM = 0.1  # some headers round positions to a tenth; both ends of a series may be
GAP_RATIO_MAX = 5.0  # times the usual gap: more is a hole, not a missing slice
GAP_MAX_MM = 20.0
COARSE_MM = 3.0
TILT_SEEN_DEG = 0.5  # less is kept exactly, as a slant of the grid
TILT_MAX_DEG = 40.0  # gantries tilt by up to 30


@dataclass(frozen=True)
class Plan:
    """How slices become a volume.

    `planes` ascend; `places` [n] is where each falls, in slices of the volume; `shifts` [n, 2] by
    how many pixels (down, right) it lies inside of the volume's slice, which has `size` (rows,
    columns). `affine` as of a Volume.
    """

    planes: tuple[Plane, ...]
    places: Floats
    count: int
    shifts: Floats
    size: tuple[int, int]
    affine: Floats
    notes: tuple[tuple[str, str], ...]

    @property
    def exact(self) -> bool:
        """Whether each slice of the volume is one of the series, untouched."""
        return self.count == len(self.planes) and not self.shifts.any() and self.even

    @property
    def even(self) -> bool:
        return bool(np.array_equal(self.places, np.arange(self.count)))


def plan(planes: Sequence[Plane]) -> Plan:
    """The plan of one series. Raises VolumeError with the numbers for what is no volume."""
    across, down, normal = axes(planes[0])
    kept, notes = _without_copies(planes, normal)
    if len(kept) < SLICES_MIN:
        raise few(len(kept))
    points = np.array([plane.position for plane in kept])
    along = (points - points[0]) @ normal
    places, remarks = _places(along)
    notes += remarks
    step = (points[-1] - points[0]) / places[-1]
    drift = np.stack([(points - points[0]) @ down, (points - points[0]) @ across], axis=1)
    shifts = np.zeros((len(kept), 2))
    size, origin = (kept[0].rows, kept[0].columns), points[0]
    pixel = np.array(_pixel(kept[0]))
    if (angle := _tilt(drift, along, places, pixel)) > 0:
        shifts, size, start = _canvas(drift / pixel, size, angle)
        origin = origin + down * start[0] * pixel[0] + across * start[1] * pixel[1]
        step = normal * (along[-1] / places[-1])
        notes.append(_tilted(angle, drift))
    count = int(places[-1] + 1e-6) + 1
    _bound(count, size)
    affine = np.eye(4)
    affine[:3] = np.stack([across * pixel[1], down * pixel[0], step, origin], axis=1)
    return Plan(tuple(kept), places, count, shifts, size, affine, tuple(notes))


def axes(plane: Plane) -> tuple[Floats, Floats, Floats]:
    """Unit vectors along a row, along a column, and along the normal of a slice, in LPS."""
    return right_angled(plane.orientation, plane.name)


def right_angled(orientation: Sequence[float], name: str) -> tuple[Floats, Floats, Floats]:
    """The same of ImageOrientationPatient, whose numbers are rounded in files."""
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if min(lengths) < 0.9 or max(lengths) > 1.1 or abs(across @ down) > 0.02:
        raise VolumeError(
            "bad_orientation",
            f"ImageOrientationPatient {tuple(orientation)} is no pair of unit vectors at right "
            "angles",
            name,
        )
    across = across / lengths[0]
    down = down - across * (across @ down)
    down = down / np.linalg.norm(down)
    return across, down, np.cross(across, down)


def few(count: int) -> VolumeError:
    return VolumeError(
        "few_slices",
        f"{count} slices at different places; a volume has at least {SLICES_MIN}: send the "
        "whole series",
    )


def _pixel(plane: Plane) -> tuple[float, float]:
    row, column = plane.spacing_mm
    if not all(SPACING_MM[0] <= side <= SPACING_MM[1] for side in (row, column)):
        raise VolumeError(
            "no_spacing",
            f"PixelSpacing {row:g} x {column:g} mm; {SPACING_MM[0]:g} to {SPACING_MM[1]:g} is read",
            plane.name,
        )
    return row, column


def _without_copies(
    planes: Sequence[Plane], normal: Floats
) -> tuple[list[Plane], list[tuple[str, str]]]:
    """Slices by their place, each place once. Two that differ at one place are refused."""
    at = {id(plane): float(np.array(plane.position) @ normal) for plane in planes}
    ordered = sorted(planes, key=lambda p: (at[id(p)], p.sop_uid, p.name, p.frame))
    kept: list[Plane] = []
    for plane in ordered:
        before = kept[-1] if kept else None
        if before is None or at[id(plane)] - at[id(before)] > SAME_PLACE_MM:
            kept.append(plane)
        elif not _copies(plane, before):
            raise _doubled(planes, at, plane)
    dropped = len(ordered) - len(kept)
    remark = ("doubled_slices", f"{dropped} slices that occur twice, alike, were taken once")
    return kept, [remark] if dropped else []


def _copies(one: Plane, other: Plane) -> bool:
    """Whether two slices at one place along the normal are the same picture."""
    moved = np.abs(np.array(one.position) - np.array(other.position)).max()
    facts = [(p.digest, p.frame, p.slope, p.intercept, p.padding) for p in (one, other)]
    return bool(moved <= SAME_PLACE_MM) and facts[0] == facts[1]


def _doubled(planes: Sequence[Plane], at: dict[int, float], plane: Plane) -> VolumeError:
    places = np.sort(list(at.values()))
    different = 1 + int(np.sum(np.diff(places) > SAME_PLACE_MM))
    return VolumeError(
        "doubled_slices",
        f"{len(planes)} slices lie at {different} places; at {at[id(plane)]:.2f} mm along the "
        "normal two differ: send one reconstruction, or phase, of the series",
        plane.name,
    )


def usual_gap(along: Floats) -> float:
    """The gap that the finer part of the series has: at least a quarter of all are no larger."""
    gaps = np.sort(np.diff(along))
    return float(gaps[len(gaps) // 4])


def _places(along: Floats) -> tuple[Floats, list[tuple[str, str]]]:
    """Where each slice falls on a grid of even gaps, in slices; and what there is to say of it."""
    gaps, usual = np.diff(along), usual_gap(along)
    widest = int(gaps.argmax())
    if gaps[widest] > min(GAP_RATIO_MAX * usual, GAP_MAX_MM) + SAME_PLACE_MM:
        raise VolumeError(
            "gap_too_wide",
            f"slices {widest + 1} and {widest + 2} of {len(along)} lie {gaps[widest]:.2f} mm apart "
            f"and the usual gap is {usual:.2f} mm; up to {GAP_RATIO_MAX:g} times the usual and "
            f"{GAP_MAX_MM:g} mm is bridged: send the slices that are missing",
        )
    for whole in (np.arange(len(along)), np.concatenate([[0], np.cumsum(_multiples(gaps, usual))])):
        step = along[-1] / whole[-1]
        allowed = min(max(EVEN_WITHIN * step, ROUNDED_MM), EVEN_WITHIN_MAX * step)
        if np.abs(along - whole * step).max() <= allowed:
            return whole.astype(np.float64), _said_of_even(whole, step, gaps)
    remark = (
        "uneven_slices",
        f"gaps run from {gaps.min():.2f} to {gaps.max():.2f} mm; interpolated to one slice "
        f"every {usual:.2f} mm",
    )
    return along / usual, [remark, *_coarse(float(gaps.max()))]


def _multiples(gaps: Floats, usual: float) -> NDArray[np.int64]:
    return np.maximum(np.rint(gaps / usual), 1).astype(np.int64)


def _said_of_even(whole: NDArray[np.int64], step: float, gaps: Floats) -> list[tuple[str, str]]:
    remarks = []
    missing = int(whole[-1]) + 1 - len(whole)
    if missing:
        remarks.append((
            "missing_slices",
            f"{missing} slices are missing between {len(whole)} (gaps of up to "
            f"{gaps.max():.2f} mm where {step:.2f} mm is usual); interpolated",
        ))  # fmt: skip
    return remarks + _coarse(float(gaps.max()))


def _coarse(widest: float) -> list[tuple[str, str]]:
    if widest <= COARSE_MM:
        return []
    return [(
        "coarse_slices",
        f"slices lie up to {widest:.2f} mm apart; what is smaller may be missed",
    )]  # fmt: skip


def _tilt(drift: Floats, along: Floats, places: Floats, pixel: Floats) -> float:
    """Degrees between the line that the slices' corners draw and their normal; 0 where the line
    is straight and so steep that the volume's affine can hold it.
    """
    straight = np.outer(places / places[-1], drift[-1])
    wandering = np.abs(drift - straight).max() > max(0.1 * pixel.min(), 2 * SAME_PLACE_MM)
    angle = float(np.degrees(np.arctan2(np.linalg.norm(drift, axis=1).max(), along[-1])))
    return angle if wandering or angle > TILT_SEEN_DEG else 0.0


def _canvas(
    pixels: Floats, size: tuple[int, int], angle: float
) -> tuple[Floats, tuple[int, int], Floats]:
    """Shifts of the slices inside of a slice that holds them all, its size, and where it starts
    (rows, columns of the first slice).
    """
    start = np.floor(pixels.min(axis=0) + 1e-6)
    shifts = pixels - start
    shifts[np.abs(shifts - np.rint(shifts)) < 1e-3] = np.rint(
        shifts[np.abs(shifts - np.rint(shifts)) < 1e-3]
    )
    extra = np.ceil(shifts.max(axis=0)).astype(int)
    if angle > TILT_MAX_DEG or extra[0] > size[0] or extra[1] > size[1]:
        raise VolumeError(
            "tilted",
            f"slices are shifted against each other as by a tilt of {angle:.1f} degrees; up to "
            f"{TILT_MAX_DEG:g} degrees and one slice's width are straightened",
        )
    return shifts, (size[0] + int(extra[0]), size[1] + int(extra[1])), start


def _tilted(angle: float, drift: Floats) -> tuple[str, str]:
    far = np.linalg.norm(drift, axis=1).max()
    return (
        "tilted_slices",
        f"the gantry was tilted by {angle:.1f} degrees; slices were shifted by up to {far:.1f} mm "
        "onto a right-angled grid",
    )


def _bound(count: int, size: tuple[int, int]) -> None:
    if count * size[0] * size[1] > VOXELS_MAX:
        raise VolumeError(
            "too_large",
            f"{count} x {size[0]} x {size[1]} voxels; at most {VOXELS_MAX:,} are read",
        )
