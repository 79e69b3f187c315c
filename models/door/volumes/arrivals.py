"""Volumes as they come in: chosen, read, held against their mask, and written one by one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from models.door.archive import Archive, CorruptMemberError
from models.door.arrivals import Arrival
from models.door.duplicates import Pair
from models.door.remarks import Warning_, on_volumes
from models.door.volumes.choice import Chosen, chosen
from models.door.volumes.repeats import Repeats
from models.imaging.volumes.masks import read_mask
from models.imaging.volumes.stored import pack_labels, pack_volume
from models.layout import Item, files_of
from models.ledger import Fate, LedgerEntry
from models.pack import PackWriter
from models.task import Task
from models.volume import LabelVoxels, Volume, VolumeError

_UNREADABLE = frozenset((
    "corrupt_member", "not_dicom", "damaged_dicom", "damaged_pixels", "not_nifti", "damaged_nifti",
    "truncated", "bad_header", "unsupported_type", "unsupported_compression", "mask_unreadable",
))  # fmt: skip


class VolumeArrivals:
    """Takes volumes in, one in memory at a time; keeps of each what a manifest needs."""

    def __init__(self, source: Archive, task: Task, pack: PackWriter) -> None:
        self._source = source
        self._task = task
        self._pack = pack
        self._repeats = Repeats()
        self._notes: dict[str, tuple[tuple[str, str], ...]] = {}  # first file -> code, detail
        self.taken: list[Arrival] = []

    @property
    def members(self) -> dict[str, dict[str, Any]]:
        """Digest and size of every member written."""
        return self._pack.members

    def close(self) -> None:
        """Nothing is held open between volumes."""

    def pairs(self, tick: Callable[[int, int], None]) -> list[Pair]:
        return self._repeats.pairs(tick)

    def warnings(self) -> Iterator[Warning_]:
        return on_volumes(self._notes)

    def said_of(self, arrival: Arrival, file: str) -> tuple[str | None, str | None]:
        """Code and detail for the ledger's line of a used file: what was noted of the volume."""
        image = arrival.item.files["image"]
        notes = self._notes.get(image, ()) if file == image else ()
        return (notes[0][0], "; ".join(detail for _, detail in notes)) if notes else (None, None)

    def take(self, item: Item, alive: Callable[[], None]) -> list[LedgerEntry]:
        """Reads one volume and its mask into the pack; `alive` is called at every file read.

        Returns the ledger's lines for the files that are not part of the case, all if there is
        none.
        """
        alive()

        def read(name: str) -> bytes:
            alive()
            return self._bytes(name)

        try:
            made = chosen(item, read)
        except VolumeError as error:
            masks = item.series.get("mask", ())
            at_fault = masks if error.code == "several_masks" else item.series["volume"]
            return self._left_out(item, error, at_fault)
        try:
            labels = read_mask(made.volume, made.mask, read, alive)
        except VolumeError as error:
            return self._left_out(item, error, made.mask)
        self._keep(item, made, labels, alive)
        return [
            self._line(item, file, fate, code, detail)
            for file, (fate, code, detail) in sorted(made.aside.items())
        ]

    def _keep(
        self, item: Item, made: Chosen, labels: LabelVoxels, alive: Callable[[], None]
    ) -> None:
        alive()
        number = f"{len(self.taken) + 1:06d}"
        roles = {"volume": f"volumes/{number}.vol", "emboli": f"emboli/{number}.vol"}
        self._pack.add(roles["volume"], pack_volume(made.volume))
        alive()
        self._pack.add(roles["emboli"], pack_labels(labels))
        self._repeats.add(made.volume)
        alive()
        count = _things(labels)
        files = (*made.files, *made.mask)
        item = replace(
            item, files={"image": made.files[0], "mask": made.mask[0]}, spacing_mm=None,
            series={"volume": made.files, "mask": made.mask},
        )  # fmt: skip
        if made.volume.notes:
            self._notes[made.files[0]] = made.volume.notes
        label = self._task.classes[1 if count else 0]
        self.taken.append(
            Arrival(f"case_{number}", item, roles, files, (label,), _facts(made.volume, count))
        )

    def _left_out(
        self, item: Item, error: VolumeError, meant: tuple[str, ...]
    ) -> list[LedgerEntry]:
        """The file at fault with the reason, or all of `meant`; the others say with whom."""
        at_fault = {error.file} if error.file in files_of(item) else set(meant)
        fate: Fate = "unreadable" if error.code in _UNREADABLE else "excluded"
        because = f"left out with {error.file or meant[0]}"
        return [
            self._line(item, file, fate, error.code, error.detail)
            if file in at_fault
            else self._line(item, file, "excluded", error.code, because)
            for file in files_of(item)
        ]

    @staticmethod
    def _line(item: Item, file: str, fate: Fate, code: str, detail: str) -> LedgerEntry:
        return LedgerEntry(file, fate, code, detail, subject=item.subject, split=item.split)

    def _bytes(self, name: str) -> bytes:
        try:
            return self._source.read(name)
        except CorruptMemberError as error:
            detail = "its bytes in the archive are damaged; pack and send it again"
            raise VolumeError("corrupt_member", detail, name) from error


def _things(labels: LabelVoxels) -> int:
    """How many different labels there are, slice by slice: a volume need not be copied for it."""
    seen: set[int] = set()
    for piece in labels:
        seen.update(np.unique(piece).tolist())
    return len(seen - {0})


def _facts(volume: Volume, count: int) -> dict[str, object]:
    return {
        "emboli": count,
        "shape": list(volume.voxels.shape),
        "spacing_mm": [round(side, 6) for side in volume.spacing_mm],
    }
