"""Which series of a patient is the volume, what of its files is used, and what lies beside it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from models.door.volumes.names import EMBOLI
from models.imaging.volumes.dicom import series_in, volume_of
from models.imaging.volumes.nifti import read_nifti
from models.imaging.volumes.nifti_header import looks_like_nifti
from models.imaging.volumes.series import Series, choose
from models.imaging.volumes.stacking import plan
from models.layout import Item, is_nifti_name
from models.ledger import Fate
from models.volume import Volume, VolumeError

Read = Callable[[str], bytes]
Fates = dict[str, tuple[Fate, str, str]]  # file -> fate, code, detail
_NAMED = 8  # series or files in a message


@dataclass(frozen=True)
class Chosen:
    """A volume in memory, the files it is made of, those of its mask, and the fate of the rest."""

    volume: Volume
    files: tuple[str, ...]
    mask: tuple[str, ...]
    aside: Fates


def chosen(item: Item, read: Read) -> Chosen:
    """The one volume of a case and the files of its one mask.

    Raises VolumeError: `no_mask`, `several_series`, `several_masks`, or what is wrong with it.
    """
    files = item.series["volume"]
    mask, aside = _meant_masks(item.series.get("mask", ()))
    niftis = [name for name in files if is_nifti_name(name)]
    if len(files) == 1 and not niftis and looks_like_nifti(read(files[0])):
        niftis = list(files)
    if niftis and not mask:
        raise _no_mask(files)
    if len(niftis) > 1:
        raise _several(niftis)
    rest = [name for name in files if name not in niftis]
    found = series_in(rest, read)
    if niftis and any(one.flaw is None for one in found):
        raise _several([*niftis, *(told(one) for one in found if one.flaw is None)])
    if niftis:
        made = Chosen(_nifti(niftis[0], read), tuple(niftis), mask, _aside(rest, found))
    else:
        made = _of_series(files, found, mask, read)
    return replace(made, aside={**made.aside, **aside})


def _nifti(name: str, read: Read) -> Volume:
    try:
        return read_nifti(read(name))
    except VolumeError as error:
        raise VolumeError(error.code, error.detail, error.file or name) from error


def _of_series(
    files: Sequence[str], found: Sequence[Series], mask: tuple[str, ...], read: Read
) -> Chosen:
    """Without a mask by its name, a DICOM SEG among the files is one by what it is."""
    marks = [one for one in found if one.modality == "SEG"] if not mask else []
    mask = mask or tuple(name for one in marks for name in one.names)
    if not mask:
        raise _no_mask(files)
    meant = _meant(found)
    volume = volume_of(meant, read)
    kept = {plane.name for plane in plan(meant.planes).planes}
    used = tuple(name for name in meant.names if name in kept)
    others = [one for one in found if one is not meant and one not in marks]
    aside = _aside([name for name in files if name not in {*meant.names, *mask}], others)
    doubled: tuple[Fate, str, str] = "ignored", "doubled_slice", "the slice is there twice, alike"
    aside |= dict.fromkeys((name for name in meant.names if name not in kept), doubled)
    return Chosen(volume, used, mask, aside)


def _meant(found: Sequence[Series]) -> Series:
    """The only series that can be a CT volume; one at a single place (a bolus watched) cannot."""
    able = [one for one in found if one.flaw is None]
    placed = [one for one in able if one.spacing_mm is not None] or able
    if len(placed) > 1:
        raise _several([told(one) for one in placed])
    return placed[0] if placed else choose(found)[0]


def told(series: Series) -> str:
    """A series in the words of the upload, without its identifiers."""
    folders = {name.rpartition("/")[0] for name in series.names}
    where = folders.pop() if len(folders) == 1 else ""
    apart = f", {series.spacing_mm[0]:.2f} mm apart" if series.spacing_mm else ""
    size = f" {series.size[0]} x {series.size[1]}" if series.size[0] else ""
    kind = series.modality or "no modality"
    return f"{where or series.names[0]} ({kind}, {series.count} slices{size}{apart})"


def _aside(files: Sequence[str], others: Sequence[Series]) -> Fates:
    """What becomes of the files of other series, and of those that are no DICOM."""
    stray: tuple[Fate, str, str] = (
        "unreadable", "not_dicom", "it lies among slices, and is no DICOM object",
    )  # fmt: skip
    fates: Fates = dict.fromkeys(files, stray)
    for one in others:
        why = f": {one.flaw[1]}" if one.flaw else ""
        detail = f"another series than that of the case, {told(one)}{why}"
        fates |= dict.fromkeys(one.names, ("ignored", "other_series", detail))
    return fates


def _several(said: Sequence[str]) -> VolumeError:
    shown = "; ".join(said[:_NAMED]) + ("; ..." if len(said) > _NAMED else "")
    return VolumeError(
        "several_series",
        f"{len(said)} volumes may be meant: {shown}. Leave one of them here, or give each a "
        "folder of its own with its mask",
    )


def _meant_masks(mask: tuple[str, ...]) -> tuple[tuple[str, ...], Fates]:
    """The files of the mask: those with emboli in their names before any other; of several NIfTI
    files only those that are numbered alike, one for each embolus.

    Raises VolumeError for masks of which nobody said how they go together.
    """
    named = tuple(name for name in mask if EMBOLI.search(name.rsplit("/", 1)[-1]))
    kept = named or mask
    niftis = [name for name in kept if is_nifti_name(name)]
    numbered = {re.sub(r"\d+", "", name) for name in niftis}
    if niftis and (len(numbered) > 1 or len(kept) > len(niftis)):
        shown = ", ".join(kept[:_NAMED]) + (", ..." if len(kept) > _NAMED else "")
        raise VolumeError(
            "several_masks",
            f"{shown} are all named as the mask of one volume; keep one, or call those of the "
            "emboli emboli_1, emboli_2, ...",
        )
    detail = f"{kept[0]} is the mask of the emboli" if kept else ""
    other: tuple[Fate, str, str] = ("ignored", "other_mask", detail)
    return kept, dict.fromkeys((name for name in mask if name not in kept), other)


def _no_mask(files: Sequence[str]) -> VolumeError:
    return VolumeError(
        "no_mask",
        f"no mask lies with {files[0].rpartition('/')[0] or files[0]}: add a NIfTI file or DICOM "
        "SEG with mask, seg or emboli in its name, all zeros if there is no embolus",
    )
