"""CUBS: carotid images, the two lines of the far wall by one or several readers, calibrations.

As the public set has it (Meiburger et al. 2021): the profile `<image>-LI.txt` is the lumen-intima
line and `<image>-MA.txt` the media-adventitia line; below `LIMA-Profiles/`, or `SEGMENTATIONS/` as
some of its versions say, each reader has a folder. `<image>_CF.txt` tells millimetres per pixel.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from models.layout import (
    CALIBRATION,
    LUMEN_INTIMA,
    MEDIA_ADVENTITIA,
    Found,
    Item,
    Layout,
    Tree,
    is_frame_name,
    leftover,
    split_word,
)
from models.ledger import LedgerEntry

EXAMPLE = """\
IMAGES/clin_0001_L.tiff                         left and right are one subject, clin_0001
IMAGES/clin_0001_R.tiff
LIMA-Profiles/Manual-A1/clin_0001_L-LI.txt      lumen-intima: x y per line, or one line of all x
LIMA-Profiles/Manual-A1/clin_0001_L-MA.txt      and one of all y; pixels of the image, sub-pixel
LIMA-Profiles/Manual-A2/clin_0001_L-LI.txt      several readers: their mean, where two or more
LIMA-Profiles/Manual-A2/clin_0001_L-MA.txt      cover a column, is taken for true
CF/clin_0001_L_CF.txt                           millimetres per pixel; without it: pixels only

to choose a reader, pack that folder alone; one reader's profiles may lie in LIMA-Profiles/ itself;
an image may be one DICOM ultrasound frame; Computerized-*/ counts where no person drew
"""
_PROFILE = re.compile(r"(?P<stem>.+?)[-_ .](?:GT)?(?P<line>LI|MA)", re.IGNORECASE)
_CALIBRATION = re.compile(r"(?P<stem>.+?)[-_ .]?CF", re.IGNORECASE)
_SIDE = re.compile(r"(?P<who>.+?)[-_ ](?:L|R|LEFT|RIGHT|SX|DX)", re.IGNORECASE)
_ROLES = {"li": LUMEN_INTIMA, "ma": MEDIA_ADVENTITIA}
_IMAGES, _FACTORS = "images", "cf"
_PROGRAM = re.compile(r"comput|auto|algo|software", re.IGNORECASE)  # CUBS: Computerized-CREATIS
_READER = "reader"  # who has no folder
_NOT_READERS = frozenset((
    "lima-profiles", "lima_profiles", "lima profiles", "lima", "profiles", "segmentations",
    "lima-profiles-interpolated", "images",
))  # fmt: skip


@dataclass(frozen=True)
class _Written:
    """A text file by its name: which line it holds, or the calibration, of which image."""

    file: str
    role: str
    stem: str
    reader: str = ""


@dataclass
class _Image:
    """An image and the text files that name it."""

    file: str
    root: str
    said: list[_Written] = field(default_factory=list)


def recognise(tree: Tree) -> Found | None:
    """Fits when profiles or calibrations are there, and images in a folder of that name, or any
    that profiles name.
    """
    written = [found for name in sorted(tree.names) if (found := _written(name)) is not None]
    images = _images(tree.names, {found.stem for found in written})
    if not images or not written or _is_of_masks(tree, written):
        return None
    entries: list[LedgerEntry] = []
    for found in written:
        entries += _assign(found, images)
    items = []
    for key, those in sorted(images.items()):
        if len(those) > 1:
            entries += _ambiguous(key, those)
            continue
        item, lines = _case(those[0])
        items += [item] if item else []
        entries += lines
    used = {file for item in items for file in item.files.values()}
    said = used | {entry.file for entry in entries}
    entries += [_beside(name) for name in sorted(set(tree.names) - said)]
    return Found(tuple(items), tuple(entries))


def _is_of_masks(tree: Tree, written: Sequence[_Written]) -> bool:
    """Whether masks are there and no profiles: calibrations alone do not make it this layout."""
    profiles = any(found.role != CALIBRATION for found in written)
    return not profiles and any("masks" in name.lower().split("/")[:-1] for name in tree.names)


def _written(name: str) -> _Written | None:
    """What a text file is by its name; None for one that is something else."""
    *folders, last = name.split("/")
    base, _, ending = last.rpartition(".")
    if ending.lower() not in ("txt", "csv", "dat") or not base:
        return None
    if profile := _PROFILE.fullmatch(base):
        return _Written(name, _ROLES[profile["line"].lower()], profile["stem"].lower(),
                        _reader(folders))  # fmt: skip
    inside = bool(folders) and folders[-1].lower() == _FACTORS
    factor = _CALIBRATION.fullmatch(base)
    if factor or inside:
        return _Written(name, CALIBRATION, (factor["stem"] if factor else base).lower())
    return None


def _reader(folders: Sequence[str]) -> str:
    """The folders below that of all profiles, or the one that is named after its reader."""
    lowered = [folder.lower() for folder in folders]
    start = max((at + 1 for at, name in enumerate(lowered) if name in _NOT_READERS), default=None)
    if start is None:  # GT1-LIMA-Profiles/, A1/
        start = max(len(folders) - 1, 0)
    return "/".join(folders[start:]) or _READER


def _images(names: Iterable[str], stems: set[str]) -> dict[tuple[str, str], list[_Image]]:
    """Images by the folder of their set and their stem in lower case."""
    pictured = [name for name in sorted(names) if is_frame_name(name)]
    housed = [name for name in pictured if _IMAGES in name.lower().split("/")[:-1]]
    found: dict[tuple[str, str], list[_Image]] = defaultdict(list)
    for name in housed or [name for name in pictured if _stem(name) in stems]:
        parts = name.split("/")
        lowered = [part.lower() for part in parts[:-1]]
        at = lowered.index(_IMAGES) if _IMAGES in lowered else max(len(parts) - 2, 0)
        root = "".join(f"{part}/" for part in parts[:at])
        found[root, _stem(name)].append(_Image(name, root))
    return found


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].rpartition(".")[0].lower()


def _assign(found: _Written, images: dict[tuple[str, str], list[_Image]]) -> list[LedgerEntry]:
    """Gives the file to the image of its name in the nearest set around it."""
    named = [root for root, stem in images if stem == found.stem]
    around = sorted((root for root in named if found.file.startswith(root)), key=len)
    roots = around[-1:] or named
    if len(roots) == 1:
        for image in images[roots[0], found.stem]:
            image.said.append(found)
        return []
    what = "calibration" if found.role == CALIBRATION else "profile"
    if not roots:
        detail = f"no image is named {found.stem}; images lie in IMAGES/"
        return [LedgerEntry(found.file, "excluded", f"{what}_without_image", detail)]
    detail = f"{len(roots)} folders hold an image of this name"
    return [LedgerEntry(found.file, "excluded", f"ambiguous_{what}", detail)]


def _ambiguous(key: tuple[str, str], those: Sequence[_Image]) -> list[LedgerEntry]:
    detail = f"{len(those)} images are named {key[1]}; profiles cannot tell which is meant"
    files = [*(image.file for image in those), *(found.file for found in those[0].said)]
    return [LedgerEntry(file, "excluded", "ambiguous_image", detail) for file in files]


def _case(image: _Image) -> tuple[Item | None, list[LedgerEntry]]:
    """The case of an image; None where nobody drew both lines."""
    factors, entries = _factors(image)
    chosen, others = _chosen(image)
    entries += others
    readers: dict[str, dict[str, str]] = defaultdict(dict)
    for found in chosen:
        readers[found.reader][found.role] = found.file
    whole = {name: lines for name, lines in readers.items() if len(lines) == len(_ROLES)}
    halves = {name: lines for name, lines in readers.items() if name not in whole}
    for lines in halves.values():
        entries += [_half(lines)]
    people = {name: lines for name, lines in whole.items() if not _PROGRAM.match(name)}
    asked = people or whole
    entries += [
        LedgerEntry(file, "ignored", "not_a_reader", "a program's line, and people drew theirs")
        for name, lines in whole.items() if name not in asked for file in lines.values()
    ]  # fmt: skip
    if not asked:
        left = [image.file, *factors.values()]
        return None, [*entries, *(_undrawn(file, halves) for file in left)]
    files = {"image": image.file} | {
        f"{role}/{name}": file for name, lines in sorted(asked.items())
        for role, file in sorted(lines.items())
    } | factors  # fmt: skip
    notes = () if people else ("computerised_lines",)
    item = Item(files, subject=_subject(image.file), split=_split(image.root), notes=notes)
    return item, entries


def _factors(image: _Image) -> tuple[dict[str, str], list[LedgerEntry]]:
    files = [found.file for found in image.said if found.role == CALIBRATION]
    twice = [
        LedgerEntry(file, "excluded", "ambiguous_calibration",
                    f"{len(files)} calibrations name this image; keep one")
        for file in files if len(files) > 1
    ]  # fmt: skip
    return ({CALIBRATION: files[0]} if len(files) == 1 else {}), twice


def _chosen(image: _Image) -> tuple[list[_Written], list[LedgerEntry]]:
    """One file for each line of each reader: the points drawn before those interpolated."""
    lines = [found for found in image.said if found.role != CALIBRATION]

    def key(found: _Written) -> tuple[str, str]:
        return found.reader, found.role

    chosen, entries = [], []
    for _, those in groupby(sorted(lines, key=key), key=key):
        first, *more = sorted(those, key=lambda found: "interpolated" in found.file.lower())
        chosen.append(first)
        entries += [
            LedgerEntry(found.file, "ignored", "not_needed", f"{first.file} is the same line")
            for found in more
        ]
    return chosen, entries


def _half(lines: dict[str, str]) -> LedgerEntry:
    (role, file), *_ = lines.items()
    lacking = "MA" if role == LUMEN_INTIMA else "LI"
    detail = f"the same reader's {lacking} line is not there; both lines are needed"
    return LedgerEntry(file, "excluded", "missing_line", detail)


def _undrawn(file: str, halves: dict[str, dict[str, str]]) -> LedgerEntry:
    if halves:
        detail = "nobody drew both its lines; add the file of the other (-LI.txt, -MA.txt)"
        return LedgerEntry(file, "excluded", "missing_line", detail)
    detail = "no profile is named after it: add its -LI.txt and -MA.txt"
    return LedgerEntry(file, "excluded", "no_profiles", detail)


def _subject(file: str) -> str:
    stem = file.rsplit("/", 1)[-1].rpartition(".")[0]
    sided = _SIDE.fullmatch(stem)
    return sided["who"] if sided else stem


def _split(root: str) -> str | None:
    """train, validation or test where a set lies in a folder of that name."""
    return next((word for part in root.split("/")[::-1] if (word := split_word(part))), None)


def _beside(name: str) -> LedgerEntry:
    if is_frame_name(name):
        detail = "lies outside IMAGES/, and no profile is named after it"
        return LedgerEntry(name, "excluded", "not_in_layout", detail)
    return leftover(name)


LAYOUT = Layout("cubs", EXAMPLE, recognise)
