"""Which series the files of a folder hold, and which of them is the volume that is meant."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.imaging.volumes.bounds import SLICES_MIN
from models.imaging.volumes.planes import Plane, planes_of
from models.imaging.volumes.stacking import axes, few, plan, usual_gap
from models.volume import VolumeError

Read = Callable[[str], bytes]
_NO_HU_UNITS = "HU", "US", ""  # RescaleType: Hounsfield units, or nothing said
_ALIKE = 5e-3  # of direction cosines and, relatively, of spacings


@dataclass(frozen=True)
class Series:
    """Files of one series that lie on one grid.

    `key` names it within an upload: its SeriesInstanceUID, with `#2` and so on where one UID
    holds several. `size` is (rows, columns), (0, 0) for objects without pixels; `spacing_mm`
    (z, y, x) by its usual gap. `flaw` (code, detail) says why it cannot be a CT volume.
    """

    uid: str
    key: str
    modality: str
    count: int
    size: tuple[int, int]
    spacing_mm: tuple[float, float, float] | None
    names: tuple[str, ...]
    flaw: tuple[str, str] | None
    planes: tuple[Plane, ...] = field(repr=False)

    @property
    def facts(self) -> str:
        """What tells it from another, for a person who has to choose."""
        where = f", {self.spacing_mm[0]:.2f} mm apart" if self.spacing_mm else ""
        what = self.modality or "no modality"
        return f"{self.key} ({what}, {self.count} slices {self.size[0]} x {self.size[1]}{where})"


def series_of(names: Iterable[str], read: Read, tick: Callable[[], None]) -> tuple[Series, ...]:
    """The series in the files, the largest first. Files that are no DICOM are passed over."""
    planes: list[Plane] = []
    for name in sorted(names):
        tick()
        try:
            planes.extend(planes_of(read(name), name))
        except VolumeError as error:
            if error.code != "not_dicom":
                raise
    groups: dict[tuple[object, ...], list[Plane]] = {}
    for plane in planes:
        groups.setdefault(_kind(plane), []).append(plane)
    parts = [part for group in groups.values() for part in _apart(group)]
    return _named(parts)


def _kind(plane: Plane) -> tuple[object, ...]:
    """What slices of one grid share exactly."""
    pictured = plane.rows > 0
    return (
        plane.series_uid, plane.modality, plane.rows, plane.columns, plane.grey,
        "LOCALIZER" in plane.image_type if pictured else plane.sop_uid,
        bool(plane.position), bool(plane.orientation), bool(plane.spacing_mm),
    )  # fmt: skip


def _apart(planes: list[Plane]) -> list[list[Plane]]:
    """Slices that look alike by their header, divided by orientation, spacing and phase."""
    grids: list[list[Plane]] = []
    for plane in planes:
        same = next((grid for grid in grids if _alike(grid[0], plane)), None)
        if same is None:
            grids.append([plane])
        else:
            same.append(plane)
    return [part for grid in grids for part in _phases(grid)]


def _alike(one: Plane, other: Plane) -> bool:
    turned = np.abs(np.subtract(one.orientation, other.orientation))
    grown = np.abs(np.subtract(one.spacing_mm, other.spacing_mm))
    limit = _ALIKE * np.array(one.spacing_mm)
    return bool((turned <= _ALIKE).all() and (grown <= limit).all())


def _phases(planes: list[Plane]) -> list[list[Plane]]:
    """Slices that do not make one volume, divided by the first fact that makes several of them."""
    if _flaw(planes) is not None or _fits(planes):
        return [planes]
    for at in range(len(planes[0].phase)):
        parts: dict[str, list[Plane]] = {}
        for plane in planes:
            parts.setdefault(plane.phase[at], []).append(plane)
        if len(parts) > 1 and all(_stands(part) for part in parts.values()):
            return list(parts.values())
    return [planes]


def _stands(planes: list[Plane]) -> bool:
    return len(planes) >= SLICES_MIN and _fits(planes)


def _fits(planes: list[Plane]) -> bool:
    try:
        plan(planes)
    except VolumeError:
        return False
    return True


def _named(parts: list[list[Plane]]) -> tuple[Series, ...]:
    parts.sort(key=lambda part: (-len(part), part[0].series_uid, part[0].name, part[0].frame))
    seen: dict[str, int] = {}
    made = []
    for part in parts:
        uid = part[0].series_uid
        seen[uid] = seen.get(uid, 0) + 1
        key = (uid or "unnamed") + (f"#{seen[uid]}" if seen[uid] > 1 else "")
        made.append(_series(part, key))
    return tuple(made)


def _series(planes: list[Plane], key: str) -> Series:
    first = planes[0]
    return Series(
        uid=first.series_uid,
        key=key,
        modality=first.modality,
        count=len(planes),
        size=(first.rows, first.columns),
        spacing_mm=_spacing(planes),
        names=tuple(dict.fromkeys(plane.name for plane in planes)),
        flaw=_flaw(planes),
        planes=tuple(planes),
    )


def _spacing(planes: list[Plane]) -> tuple[float, float, float] | None:
    first = planes[0]
    if not (first.position and first.orientation and first.spacing_mm):
        return None
    along = _places(planes)
    if len(along) < 2:
        return None
    return usual_gap(along), first.spacing_mm[0], first.spacing_mm[1]


def _places(planes: list[Plane]) -> NDArray[np.float64]:
    """Where slices lie along their normal, millimetres, each place once."""
    normal = np.cross(planes[0].orientation[:3], planes[0].orientation[3:])
    return np.unique(np.round([np.array(plane.position) @ normal for plane in planes], 2))


def _flaw(planes: list[Plane]) -> tuple[str, str] | None:
    """Why slices cannot be a CT volume, by their headers alone; None if they may be one."""
    first = planes[0]
    kind = first.modality or "of no modality"
    if not first.rows and first.modality != "CT":
        return "no_image", f"an object without an image of its own ({kind})"
    if first.modality != "CT":
        return "not_ct", f"the images are {kind}; a volume here is CT, in Hounsfield units"
    if not first.rows:
        return "no_pixels", "a CT object without pixels; its file may have been cut off"
    return _flaw_of_ct(planes)


def _flaw_of_ct(planes: list[Plane]) -> tuple[str, str] | None:
    first = planes[0]
    units = {plane.units.upper() for plane in planes}
    flaws = {
        "colour": (not first.grey, "the images are in colour, a picture of a scan"),
        "localizer": (
            "LOCALIZER" in first.image_type, "an overview picture (localizer), not the scan"
        ),
        "no_position": (
            not (first.position and first.orientation),
            "ImagePositionPatient and ImageOrientationPatient are missing, so nobody can tell how "
            "the slices lie; export the original series from the PACS",
        ),
        "no_spacing": (not first.spacing_mm, "PixelSpacing is missing: no spacing, no millimetres"),
        "not_hu": (
            not units <= set(_NO_HU_UNITS),
            f"values are in {', '.join(sorted(units))}, not in Hounsfield units",
        ),
    }  # fmt: skip
    found = next(((code, detail) for code, (is_so, detail) in flaws.items() if is_so), None)
    return found or _flaw_of_places(planes)


def _flaw_of_places(planes: list[Plane]) -> tuple[str, str] | None:
    """A bolus watched as it arrives is many slices, and all at one place."""
    try:
        axes(planes[0])
        if (count := len(_places(planes))) < SLICES_MIN:
            raise few(count)
    except VolumeError as error:
        return error.code, error.detail
    return None


def choose(
    series: Sequence[Series], wanted: str | None = None
) -> tuple[Series, tuple[tuple[str, str], ...]]:
    """The one series that can be a volume, and a note of what was left out.

    `wanted` is a `key` or a SeriesInstanceUID. Raises VolumeError `several_series` where several
    can be it, with what to choose from; else the flaw of the largest.
    """
    asked = [one for one in series if wanted is None or wanted in (one.key, one.uid)]
    if not asked:
        raise _none(series, wanted)
    able = [one for one in asked if one.flaw is None]
    if len(able) > 1 and wanted is not None:
        able = [one for one in able if one.key == wanted and one.key != one.uid] or able
    if len(able) > 1:
        choices = "; ".join(one.facts for one in able[:20])
        raise VolumeError(
            "several_series",
            f"{len(able)} series can be the volume: {choices}. Choose one by `series_uid`, or "
            "send it alone",
        )
    if not able:
        worst = max(asked, key=lambda one: (one.size[0] > 0, one.modality == "CT", one.count))
        code, detail = worst.flaw or ("no_volume", "no volume")
        raise VolumeError(code, detail, worst.names[0])
    others = len(series) - 1
    note = ("left_out", f"{others} other series were left out") if others else None
    return able[0], (note,) if note else ()


def _none(series: Sequence[Series], wanted: str | None) -> VolumeError:
    if wanted is None or not series:
        return VolumeError("not_dicom", "none of the files is a DICOM image")
    choices = "; ".join(one.facts for one in series[:20])
    return VolumeError("unknown_series", f"there is no series {wanted}; there are: {choices}")
