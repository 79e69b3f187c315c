"""A layout: one way of laying out an upload, as data and one function. A file in layouts/ each."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from models.case import Box
from models.ledger import LedgerEntry

SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "val": "validation", "valid": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
IMAGE_SUFFIXES = frozenset((
    "png", "jpg", "jpeg", "jpe", "jfif", "bmp", "tif", "tiff", "gif", "webp", "pgm", "ppm", "pnm",
))  # fmt: skip
VOLUME_SUFFIXES = frozenset(("dcm", "dicom", "dic", "ima"))  # of DICOM; NIfTI is told apart
DOCUMENT_SUFFIXES = frozenset((
    "txt", "md", "rst", "pdf", "html", "htm", "json", "jsonl", "xml", "yaml", "yml", "csv", "tsv",
    "xlsx", "docx", "log", "ini", "py", "sh",
))  # fmt: skip
DOCUMENT_NAMES = frozenset((
    "license", "licence", "readme", "copying", "citation", "changelog", "dicomdir", "version",
))  # fmt: skip
Polygon = tuple[float, ...]  # x, y, x, y, ...
# Roles of the files of a wall: `lumen_intima/<reader>`, `media_adventitia/<reader>`, calibration.
LUMEN_INTIMA, MEDIA_ADVENTITIA, CALIBRATION = "lumen_intima", "media_adventitia", "calibration"


@dataclass(frozen=True)
class Runs:
    """A region as COCO codes it: lengths of runs of 0 and 1 in turn, column by column."""

    height: int
    width: int
    counts: str | tuple[int, ...]  # packed into text, or as they are


@dataclass(frozen=True)
class Outline:
    """One thing that somebody marked, by its half-open box, its polygons or its runs.

    `name` is its class in the upload's own words, None where no class was said. Coordinates are
    pixels, or fractions of width and height where `relative`.
    """

    name: str | None = None
    box: Box | None = None
    polygons: tuple[Polygon, ...] = ()
    runs: Runs | None = None
    relative: bool = False


@dataclass(frozen=True)
class Item:
    """One case as a layout found it: files by role and what is said of them.

    Roles: `image`, `mask`, and `outlines` for a file that speaks of this image alone. `outlines`
    is () where somebody said that there is nothing, None where nobody said. `flaw` (code, detail)
    says why what was marked cannot be read; only a task that needs it leaves the case out.
    `notes` are codes of what a person should know of the case (models.door.remarks).

    Of a vessel's wall `lines` are the cells of a table that hold its two lines, not yet read; files
    that hold one have the role `lumen_intima/<reader>` or `media_adventitia/<reader>`, and the file
    that tells the size of a pixel has `calibration`.

    Of a volume `series` has all files by role, `volume` and `mask` (one NIfTI file, or the slices
    of a DICOM series, not yet looked into), and `files` the first of each under the same roles,
    the volume's as `image`.
    """

    files: dict[str, str]
    label: str | None = None
    subject: str | None = None
    split: str | None = None  # train, validation or test
    spacing_mm: tuple[float, float] | None = None  # (row, column)
    outlines: tuple[Outline, ...] | None = None
    drawn_on_px: tuple[int, int] | None = None  # width, height that the outlines are made for
    flaw: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()
    series: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lines: tuple[str, str] | None = None


def files_of(item: Item) -> tuple[str, ...]:
    """All files that a layout counts to a case, each once."""
    series = (name for files in item.series.values() for name in files)
    return tuple(dict.fromkeys((*item.files.values(), *series)))


@dataclass(frozen=True)
class Tree:
    """The archive as a layout sees it: names (no folders), and the bytes behind one of them."""

    names: Collection[str]
    read: Callable[[str], bytes]


@dataclass(frozen=True)
class Found:
    """What a layout made of a tree: its cases, and the files that are none with the reason why.

    `classes` are the names that outlines may have, in the order in which the upload lists them.
    """

    items: tuple[Item, ...]
    entries: tuple[LedgerEntry, ...] = ()
    warnings: tuple[dict[str, object], ...] = field(default=())
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """One way of laying out an upload.

    `example` is a tree to show to people. `recognise` answers None for a tree laid out otherwise,
    and raises RejectedError for one that is meant to be this layout and cannot be read as it.
    """

    name: str
    example: str
    recognise: Callable[[Tree], Found | None]


def suffix(name: str) -> str:
    """The last suffix in lower case, without its dot; empty where there is none."""
    last = name.rsplit("/", 1)[-1]
    return last.rsplit(".", 1)[1].lower() if "." in last else ""


def is_image_name(name: str) -> bool:
    return suffix(name) in IMAGE_SUFFIXES


def is_frame_name(name: str) -> bool:
    """An image's name, or a DICOM file's: one ultrasound frame is an image to tasks of walls."""
    return is_image_name(name) or suffix(name) in VOLUME_SUFFIXES


def is_nifti_name(name: str) -> bool:
    return name.lower().endswith((".nii", ".nii.gz"))


def is_volume_name(name: str) -> bool:
    """Whether a name says volume, or slice of one; DICOM files often have names that do not."""
    return is_nifti_name(name) or suffix(name) in VOLUME_SUFFIXES


def is_document(name: str) -> bool:
    """Whether a file is there for people: it is no data, and no harm that it is left out."""
    last = name.rsplit("/", 1)[-1].lower()
    return suffix(name) in DOCUMENT_SUFFIXES or last in DOCUMENT_NAMES


def split_word(text: str) -> str | None:
    """train, validation or test for any of the usual words; None for another word."""
    return SPLITS.get(text.strip().lower())


def leftover(name: str, code: str = "not_in_layout", detail: str = "") -> LedgerEntry:
    """The ledger's line for a file that a layout has no use for."""
    if is_image_name(name):
        return LedgerEntry(name, "excluded", code, detail)
    if is_document(name):
        return LedgerEntry(name, "ignored", "document", "a document, no data")
    return LedgerEntry(name, "excluded", "unknown_kind", f"no image by its name (.{suffix(name)})")
