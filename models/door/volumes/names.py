"""What the names of files and folders say of volumes: a mask, an image, whose it is."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from models.layout import (
    Tree,
    is_document,
    is_image_name,
    is_nifti_name,
    is_volume_name,
    suffix,
)
from models.ledger import RejectedError

Parts = tuple[str, ...]  # the folders of a path and its last name
EMBOLI = re.compile(r"emboli(?!sm|c)", re.IGNORECASE)
_SAID = re.compile(rf"mask|seg|{EMBOLI.pattern}", re.IGNORECASE)
_PLAIN = re.compile(r"mask|seg|emboli|label|truth", re.IGNORECASE)  # where nothing says it better
# What is taken off a name to find whose it is.
_MASK_WORDS = re.compile(
    r"(?:masks?|seg(?:mentation)?s?|emboli|labels?(?:tr|ts)?|gt|truth)", re.IGNORECASE
)
_IMAGE_WORDS = re.compile(
    r"(?:images?(?:tr|ts)?|imgs?|scans?|volumes?|vol|cta?s?|ctpa|dicom|dcm|nifti)", re.IGNORECASE
)
_APART = re.compile(r"[-_. ]+")
_CHANNEL = re.compile(r"_0000$")  # nnU-Net numbers the channels of a volume; the first is the only
_SNIFFED = 3  # files of a folder read to tell whether it holds DICOM
_GROUPS = (b"\x02\x00", b"\x08\x00")  # little endian, first group of a file without a preamble
_NO_DICOM = frozenset((
    "hdr", "img", "mha", "mhd", "nrrd", "npy", "npz", "h5", "mat", "exe", "dll",
    "mp4", "avi", "mov", "mkv", "webm", "wmv", "mpg", "mpeg", "m4v",
))  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """What is told apart by names alone: a NIfTI file, or the DICOM files of one folder.

    `path` is the file or the folder, from the root of the tree; `mask` where names say so,
    None where somebody has yet to decide.
    """

    path: Parts
    files: tuple[str, ...]
    dicom: bool
    mask: bool | None = None


def stem(name: str) -> str:
    """A name without the suffixes of a volume; a folder's name may have dots and keeps them."""
    short = name[:-3] if name.lower().endswith(".nii.gz") else name
    return short.rsplit(".", 1)[0] if is_volume_name(short) else name


def says_mask(parts: Parts, *, plainly: bool = False) -> bool:
    pattern = _PLAIN if plainly else _SAID
    return any(pattern.search(stem(part)) for part in parts)


def owner(name: str) -> str:
    """`patient1` of patient1_mask.nii.gz, mask-patient1, patient1_ct.nii.gz and patient1_0000;
    empty where a name says nothing but what it is.
    """
    words = [word for word in _APART.split(_CHANNEL.sub("", stem(name))) if word]
    kept = [
        word for word in words if not (_MASK_WORDS.fullmatch(word) or _IMAGE_WORDS.fullmatch(word))
    ]
    return "_".join(kept).casefold()


def owners(parts: Parts) -> Parts:
    """Of every folder and name of a path, those that say something."""
    return tuple(found for part in parts if (found := owner(part)))


def units(tree: Tree) -> list[Unit]:
    """Everything in a tree that may be a volume or a mask; one file of a folder is looked at."""
    found = [Unit(_parts(name), (name,), False) for name in tree.names if is_nifti_name(name)]
    folders: dict[tuple[Parts, str | None], list[str]] = defaultdict(list)
    for name in sorted(tree.names):
        if may_be_dicom(name):
            *folder, last = name.split("/")
            folders[tuple(folder), owner(last) if says_mask((last,)) else None].append(name)
    for (place, of), files in folders.items():
        if _is_dicom(files, tree.read):
            path = place if of is None else _parts(files[0])
            found.append(Unit(path, tuple(files), True, None if of is None else True))
    return sorted(found, key=lambda unit: unit.files)


def _parts(name: str) -> Parts:
    return tuple(name.split("/"))


def may_be_dicom(name: str) -> bool:
    if is_image_name(name) or is_nifti_name(name):
        return False
    return not is_document(name) and suffix(name) not in _NO_DICOM


def _is_dicom(files: Sequence[str], read: Callable[[str], bytes]) -> bool:
    """By name, else by the first bytes of the likeliest."""
    if any(is_volume_name(name) for name in files):
        return True
    plain = sorted(files, key=lambda name: not (suffix(name) == "" or suffix(name).isdigit()))
    return any(_begins_as_dicom(name, read) for name in plain[:_SNIFFED])


def _begins_as_dicom(name: str, read: Callable[[str], bytes]) -> bool:
    try:
        start = read(name)[:132]
    except RejectedError:  # its bytes are damaged, or too many to be looked at
        return False
    return start[128:132] == b"DICM" or (len(start) > 8 and start[:2] in _GROUPS)


class Members:
    """The files of an archive, to be found by their names or by the folder they lie in."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._sorted = sorted(names)

    def meant_by(self, name: str) -> tuple[str, ...]:
        """The file of this name, else what may be a volume in the folder of this name, at any
        depth; () where there is neither.
        """
        if name in self._names:
            return (name,)
        start = f"{name.rstrip('/')}/"
        first = bisect_left(self._sorted, start)
        last = bisect_left(self._sorted, f"{start[:-1]}0", first)  # "0" comes next after "/"
        inside = self._sorted[first:last]
        return tuple(file for file in inside if is_nifti_name(file) or may_be_dicom(file))
