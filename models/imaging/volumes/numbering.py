"""Values of a mask numbered 1, 2, ... in their order, and things told apart."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.volume import LabelVoxels, VolumeError

THINGS_MAX = 255
_WHOLE = 1e-3  # how far from a whole number a label may be that went through a float


class Numbering:
    """Numbers for values as they are met; `settled` brings them into the values' own order."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def picture(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Values [y, x] as numbers, 0 where they are 0. Raises VolumeError for what is no label."""
        made = np.zeros(values.shape, dtype=np.uint8)
        marked = values != 0
        if not marked.any():
            return made
        met, places = np.unique(values[marked], return_inverse=True)
        made[marked] = np.array([self._number(value) for value in met], dtype=np.uint8)[places]
        return made

    def _number(self, value: float) -> int:
        if not np.isfinite(value) or abs(value - np.rint(value)) > _WHOLE or value < 0:
            raise VolumeError(
                "mask_not_labels",
                f"the mask holds {value:g}; its values are whole numbers, 0 where nothing is",
            )
        whole = int(np.rint(value))
        if whole == 0:
            return 0
        if whole not in self._numbers and len(self._numbers) == THINGS_MAX:
            raise too_many(THINGS_MAX + 1)
        return self._numbers.setdefault(whole, len(self._numbers) + 1)

    def settled(self, labels: LabelVoxels) -> LabelVoxels:
        """The same labels, numbered in the order of the values behind them."""
        values = sorted(self._numbers)
        if [self._numbers[value] for value in values] == list(range(1, len(values) + 1)):
            return labels
        table = np.zeros(THINGS_MAX + 1, dtype=np.uint8)
        for rank, value in enumerate(values, start=1):
            table[self._numbers[value]] = rank
        for z, picture in enumerate(labels):
            labels[z] = table[picture]
        return labels


def too_many(count: int) -> VolumeError:
    return VolumeError(
        "too_many_things",
        f"the mask marks {count} things or more; up to {THINGS_MAX} are read: is it a mask?",
    )


def merged(several: list[LabelVoxels]) -> LabelVoxels:
    """Label volumes of one grid as one; the things of each stay apart, the earlier is on top."""
    made = several[0]
    for other in several[1:]:
        top = int(made.max())
        if top + int(other.max()) > THINGS_MAX:
            raise too_many(top + int(other.max()))
        free = (made == 0) & (other > 0)
        made[free] = other[free] + np.uint8(top)
    return made


def apart(labels: LabelVoxels) -> LabelVoxels:
    """Labels 1..n without a gap; one label alone is taken apart into what touches by a side, an
    edge or a corner.
    """
    present = np.flatnonzero(np.bincount(labels.reshape(-1), minlength=256)[1:]) + 1
    if len(present) > 1:
        table = np.zeros(256, dtype=np.uint8)
        table[present] = np.arange(1, len(present) + 1)
        return np.asarray(table[labels])
    if len(present) == 0:
        return labels
    box = tuple(slice(low, high) for low, high in bounding_box(labels))
    parts, count = ndimage.label(labels[box], structure=np.ones((3, 3, 3), dtype=np.uint8))
    if count > THINGS_MAX:
        raise too_many(count)
    made = np.zeros_like(labels)
    made[box] = parts
    return made


def bounding_box(labels: LabelVoxels) -> list[tuple[int, int]]:
    """Half-open (low, high) along z, y, x of what is not 0. There must be something."""
    flat = np.any(labels, axis=0)
    lines = [np.any(labels, axis=(1, 2)), np.any(flat, axis=1), np.any(flat, axis=0)]
    found = [np.flatnonzero(line) for line in lines]
    return [(int(line[0]), int(line[-1]) + 1) for line in found]
