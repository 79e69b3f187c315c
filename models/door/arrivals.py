"""Cases as they come in: read, decoded, judged, and written to the pack one by one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from models.case import Pixels
from models.door.archive import Archive, CorruptMemberError
from models.door.duplicates import Pair, Thumbnails
from models.door.lines.wall import BOTH, Wall, is_drawn, of_walls, truth_of, wall_of
from models.door.member import Limits
from models.door.naming import Naming
from models.door.refused import RefusedError
from models.door.remarks import Warning_, in_ledger, on_conversions
from models.door.truth import BOXES_ALONE, Truth, TruthError, from_mask, from_outlines
from models.imaging.frames import UnreadableError, decode
from models.imaging.plain import plain_bytes, png
from models.imaging.ultrasound import frame_in, looks_like_dicom
from models.layout import Item
from models.ledger import Fate, LedgerEntry
from models.pack import PackWriter
from models.task import Task

_UNREADABLE = (
    "empty_file", "not_an_image", "damaged_image", "corrupt_member", "not_dicom", "damaged_dicom",
    "damaged_pixels", "no_pixels", "unsupported_compression", "empty_profile", "bad_profile",
)  # fmt: skip
_BYTES_PER_PIXEL = 8  # of the least compressed image there is, 16-bit RGBA
_HEADER_ROOM = 2**20
_ARCHIVE_STARTS = (b"PK\x03\x04", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")


Spacing = tuple[float, float]  # millimetres, row and column


@dataclass(frozen=True, eq=False)
class _Image:
    """A decoded image, what the pack stores of it, and the spacing that it tells itself."""

    pixels: Pixels
    kept: bytes
    suffix: str
    spacing_mm: Spacing | None = None


@dataclass(frozen=True)
class Arrival:
    """A case that is in the pack; `labels` are those it shows, several in a label map.

    `files` are those of the upload that it is made of, `facts` what the pack keeps beside them.
    """

    case_id: str
    item: Item
    roles: dict[str, str]
    files: tuple[str, ...]
    labels: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Arrivals:
    """Takes items in; keeps of each what a manifest needs, never its pixels."""

    def __init__(
        self, source: Archive, task: Task, limits: Limits, pack: PackWriter, naming: Naming
    ) -> None:
        self._source = source
        self._task = task
        self._walls = of_walls(task)
        self._mapped = truth_of(task) == "map"
        self._naming = naming
        self._limits = limits
        self._pack = pack
        self._thumbnails = Thumbnails()
        self.taken: list[Arrival] = []
        self.values: set[int] = set()  # of classes, in all masks
        self._notes: dict[str, tuple[str, ...]] = {}

    @property
    def members(self) -> dict[str, dict[str, Any]]:
        """Digest and size of every member written."""
        return self._pack.members

    def close(self) -> None:
        self._thumbnails.close()

    def pairs(self, tick: Callable[[int, int], None]) -> list[Pair]:
        return self._thumbnails.pairs(tick)

    def warnings(self) -> Iterator[Warning_]:
        return on_conversions(self._notes, self.values)

    def said_of(self, arrival: Arrival, file: str) -> tuple[str | None, str | None]:
        """Code and detail for the ledger's line of a used file."""
        image = arrival.item.files["image"]
        if self._walls and file != image:
            return None, None  # what is wrong with a line has left it out
        return in_ledger(self._notes.get(image, ()), image=file == image)

    def take(self, item: Item, alive: Callable[[], None]) -> list[LedgerEntry]:
        """Reads one case into the pack; the ledger's lines for its files when it is left out."""
        alive()
        image = item.files["image"]
        missing = self._missing(item)
        if missing is not None:
            at_fault = item.files.get("outlines", image) if item.flaw else image
            return self._left_out(item, at_fault, *missing)
        try:
            seen = self._image(image)
            size = (seen.pixels.shape[1], seen.pixels.shape[0])
            wall = self._wall(item, size, seen.spacing_mm) if self._walls else None
            truth = self._truth(item, size) if self._mapped and wall is None else Truth()
        except RefusedError as error:
            return self._left_out(item, error.file, error.code, error.detail)
        number = f"{len(self.taken) + 1:06d}"
        roles = {"image": f"images/{number}.{seen.suffix}"}
        self._pack.add(roles["image"], seen.kept)
        if truth.mask is not None:
            roles["mask"] = f"masks/{number}.png"
            self._pack.add(roles["mask"], png(truth.mask))
        self._thumbnails.add(seen.pixels)
        if wall is not None:
            return self._keep_wall(number, item, roles, wall)
        self.taken.append(self._arrival(number, item, roles, truth))
        return self._unneeded(item)

    def _keep_wall(
        self, number: str, item: Item, roles: dict[str, str], wall: Wall
    ) -> list[LedgerEntry]:
        """The arrival of a case with lines; the ledger's lines for files that told nothing."""
        self._note(item.files["image"], wall.notes)
        lines = [
            self._line(item, file, "excluded", code, detail)
            for file, (code, detail) in wall.refused.items()
        ]
        files = {role: file for role, file in item.files.items() if file not in wall.refused}
        item = replace(item, files=files, spacing_mm=wall.spacing_mm)
        used = tuple(dict.fromkeys(files.values()))
        self.taken.append(
            Arrival(f"case_{number}", item, roles, used, self._task.classes, wall.facts())
        )
        return lines

    def _arrival(self, number: str, item: Item, roles: dict[str, str], truth: Truth) -> Arrival:
        labels: tuple[str, ...] = (item.label,) if item.label else ()
        if self._mapped:
            values = truth.values()
            labels = tuple(map(self._naming.name, values))
            self.values.update(values)
            self._note(item.files["image"], truth.notes)
            if self._naming.undeclared(values):
                self._note(item.files["image"], ("undeclared_labels",))
        boxes = None if truth.boxes is None else [list(map(_rounded, box)) for box in truth.boxes]
        facts = {} if boxes is None else {"boxes": boxes}
        return Arrival(f"case_{number}", item, roles, tuple(self._wanted(item)), labels, facts)

    def _note(self, file: str, codes: tuple[str, ...]) -> None:
        if codes:
            self._notes[file] = (*self._notes.get(file, ()), *codes)

    def _missing(self, item: Item) -> tuple[str, str] | None:
        """Code and detail where an item lacks the truth that the task needs."""
        if self._walls:
            return None if is_drawn(item) else ("no_lines", f"no line is given; {BOTH}")
        if not self._mapped:
            return None if item.label else ("no_label", "no label is given")
        if "mask" in item.files:
            return None
        if item.flaw is not None:
            return item.flaw
        if item.outlines is None:
            return "no_mask", "no mask is given"
        if not self._task.classes and not self._naming.regions:
            return "no_mask", BOXES_ALONE
        return None

    def _left_out(self, item: Item, file: str, code: str, detail: str) -> list[LedgerEntry]:
        """The file at fault with the reason; the others of its case say whose fault it was."""
        fate: Fate = "unreadable" if code in _UNREADABLE else "excluded"
        lines = [self._line(item, file, fate, code, detail)]
        others = [name for name in self._wanted(item) if name != file]
        because = f"left out with {file}"
        lines += [self._line(item, name, "excluded", code, because) for name in others]
        return lines + self._unneeded(item)

    def _unneeded(self, item: Item) -> list[LedgerEntry]:
        detail = f"{self._task.name} has no use for it"
        wanted = self._wanted(item)
        return [
            self._line(item, name, "ignored", "not_needed", detail)
            for name in item.files.values()
            if name not in wanted
        ]

    def _wanted(self, item: Item) -> list[str]:
        """The files of the item that this task reads."""
        return [name for role, name in item.files.items()
                if role == "image" or self._mapped]  # fmt: skip

    @staticmethod
    def _line(item: Item, file: str, fate: Fate, code: str, detail: str) -> LedgerEntry:
        return LedgerEntry(
            file, fate, code, detail, subject=item.subject, label=item.label, split=item.split
        )

    def _image(self, name: str) -> _Image:
        data = self._bytes(name)
        most = self._limits.image_max_pixels
        try:
            if self._walls and looks_like_dicom(data):
                return self._frame(name, data)
            pixels, notes = decode(data, most)
            kept, suffix = plain_bytes(data, pixels, most)
        except UnreadableError as error:
            if data.startswith(_ARCHIVE_STARTS):
                raise RefusedError(name, "nested_archive", "an archive, not an image") from error
            raise RefusedError(name, error.code, error.detail) from error
        self._note(name, notes)
        return _Image(pixels, kept, suffix)

    def _frame(self, name: str, data: bytes) -> _Image:
        """One frame of DICOM ultrasound: its header stays at the door, its pixels are kept."""
        found = frame_in(data, self._limits.image_max_pixels)
        self._note(name, found.notes)
        return _Image(found.pixels, png(found.pixels), "png", found.spacing_mm)

    def _wall(self, item: Item, size: tuple[int, int], told: Spacing | None) -> Wall:
        return wall_of(item, size, self._bytes, self._limits.image_max_pixels, told)

    def _truth(self, item: Item, size: tuple[int, int]) -> Truth:
        """A mask is believed before boxes, which the pack keeps all the same."""
        if "mask" not in item.files:
            return self._marked(item, size)
        name = item.files["mask"]
        try:
            truth = from_mask(self._bytes(name), size, self._task, self._limits.image_max_pixels)
        except (UnreadableError, TruthError) as error:
            raise RefusedError(name, error.code, error.detail) from error
        return self._with_boxes(item, size, truth)

    def _with_boxes(self, item: Item, size: tuple[int, int], truth: Truth) -> Truth:
        if not self._task.classes or not (item.outlines or item.flaw):
            return truth
        if item.flaw is None:
            with suppress(RefusedError):
                return replace(truth, boxes=self._marked(item, size).boxes)
        return replace(truth, notes=(*truth.notes, "boxes_unread"))

    def _marked(self, item: Item, size: tuple[int, int]) -> Truth:
        try:
            truth = from_outlines(item, size, self._task, self._naming)
        except TruthError as error:
            at_fault = item.files.get("outlines", item.files["image"])
            raise RefusedError(at_fault, error.code, error.detail) from error
        return replace(truth, notes=(*item.notes, *truth.notes))

    def _bytes(self, name: str) -> bytes:
        room = self._limits.image_max_pixels * _BYTES_PER_PIXEL + _HEADER_ROOM
        if self._source.size(name) > room:
            detail = f"{self._source.size(name):,} bytes; no image that is read here has so many"
            raise RefusedError(name, "too_large", detail)
        try:
            return self._source.read(name)
        except CorruptMemberError as error:
            detail = "its bytes in the archive are damaged; pack and send it again"
            raise RefusedError(name, "corrupt_member", detail) from error


def _rounded(edge: float) -> float:
    return round(edge, 3)
