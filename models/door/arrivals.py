"""Cases as they come in: read, decoded, judged, and written to the pack one by one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.case import Pixels
from models.door.archive import Archive, CorruptMemberError
from models.door.duplicates import Thumbnails
from models.door.member import Limits
from models.imaging.frames import UnreadableError, decode
from models.imaging.masks import read_mask
from models.imaging.plain import plain_bytes, png
from models.layout import Item
from models.ledger import Fate, LedgerEntry
from models.pack import PackWriter
from models.task import Task

_EXCLUDED = ("too_small", "too_large", "bad_mask", "mask_size", "nested_archive")
_BYTES_PER_PIXEL = 8  # of the least compressed image there is, 16-bit RGBA
_HEADER_ROOM = 2**20
_ARCHIVE_STARTS = (b"PK\x03\x04", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")


@dataclass(frozen=True)
class Arrival:
    """A case that is in the pack; `labels` are those it shows, several in a label map."""

    case_id: str
    item: Item
    roles: dict[str, str]
    labels: tuple[str, ...]


class _RefusedError(Exception):
    def __init__(self, file: str, code: str, detail: str) -> None:
        super().__init__(code)
        self.file = file
        self.fate: Fate = "excluded" if code in _EXCLUDED else "unreadable"
        self.code = code
        self.detail = detail


class Arrivals:
    """Takes items in; keeps of each what a manifest needs, never its pixels."""

    def __init__(self, source: Archive, task: Task, limits: Limits, pack: PackWriter) -> None:
        self._source = source
        self._task = task
        self._limits = limits
        self._pack = pack
        self.thumbnails = Thumbnails()
        self.taken: list[Arrival] = []
        self.notes: dict[str, tuple[str, ...]] = {}

    @property
    def members(self) -> dict[str, dict[str, Any]]:
        """Digest and size of every member written."""
        return self._pack.members

    def close(self) -> None:
        self.thumbnails.close()

    def take(self, item: Item) -> list[LedgerEntry]:
        """Reads one case into the pack; the ledger's lines for its files when it is left out."""
        image = item.files["image"]
        missing = self._missing(item)
        if missing is not None:
            return self._left_out(item, image, "excluded", *missing)
        try:
            pixels, kept, suffix = self._image(image)
            mask = self._mask(item, pixels) if self._task.output == "map" else None
        except _RefusedError as error:
            return self._left_out(item, error.file, error.fate, error.code, error.detail)
        number = f"{len(self.taken) + 1:06d}"
        roles = {"image": f"images/{number}.{suffix}"}
        self._pack.add(roles["image"], kept)
        labels: tuple[str, ...] = (item.label,) if item.label else ()
        if mask is not None:
            roles["mask"] = f"masks/{number}.png"
            self._pack.add(roles["mask"], png(mask))
            labels = tuple(self._class(k) for k in np.unique(mask).tolist() if k)
        self.thumbnails.add(pixels)
        self.taken.append(Arrival(f"case_{number}", item, roles, labels))
        return self._unneeded(item)

    def _missing(self, item: Item) -> tuple[str, str] | None:
        """Code and detail where an item lacks the truth that the task needs."""
        if self._task.output == "classes" and not item.label:
            return "no_label", "no label is given"
        if self._task.output == "map" and "mask" not in item.files:
            return "no_mask", "no mask is given"
        return None

    def _left_out(
        self, item: Item, file: str, fate: Fate, code: str, detail: str
    ) -> list[LedgerEntry]:
        """The file at fault with the reason; the others of its case say whose fault it was."""
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
                if role == "image" or self._task.output == "map"]  # fmt: skip

    @staticmethod
    def _line(item: Item, file: str, fate: Fate, code: str, detail: str) -> LedgerEntry:
        return LedgerEntry(
            file, fate, code, detail, subject=item.subject, label=item.label, split=item.split
        )

    def _image(self, name: str) -> tuple[Pixels, bytes, str]:
        """Pixels, and the bytes and suffix to store."""
        data = self._bytes(name)
        try:
            pixels, notes = decode(data, self._limits.image_max_pixels)
            kept, suffix = plain_bytes(data, pixels, self._limits.image_max_pixels)
        except UnreadableError as error:
            if data.startswith(_ARCHIVE_STARTS):
                raise _RefusedError(name, "nested_archive", "an archive, not an image") from error
            raise _RefusedError(name, error.code, error.detail) from error
        if notes:
            self.notes[name] = notes
        return pixels, kept, suffix

    def _mask(self, item: Item, pixels: Pixels) -> NDArray[np.uint8]:
        name = item.files["mask"]
        try:
            mask = read_mask(self._bytes(name), self._limits.image_max_pixels)
        except UnreadableError as error:
            raise _RefusedError(name, error.code, error.detail) from error
        if mask.shape != pixels.shape[:2]:
            sizes = [f"{width} x {height}" for height, width in (mask.shape, pixels.shape[:2])]
            detail = f"the mask is {sizes[0]} pixels, its image {sizes[1]}"
            raise _RefusedError(name, "mask_size", detail)
        classes = self._task.classes
        if classes and int(mask.max()) > len(classes):
            detail = f"class {mask.max()} in the mask; {self._task.name} has {len(classes)}"
            raise _RefusedError(name, "bad_mask", detail)
        return mask

    def _bytes(self, name: str) -> bytes:
        room = self._limits.image_max_pixels * _BYTES_PER_PIXEL + _HEADER_ROOM
        if self._source.size(name) > room:
            detail = f"{self._source.size(name):,} bytes; no image that is read here has so many"
            raise _RefusedError(name, "too_large", detail)
        try:
            return self._source.read(name)
        except CorruptMemberError as error:
            detail = "its bytes in the archive are damaged; pack and send it again"
            raise _RefusedError(name, "corrupt_member", detail) from error

    def _class(self, index: int) -> str:
        """The name of a class in a mask, 1 being the first."""
        classes = self._task.classes
        return classes[index - 1] if classes else f"class_{index}"
