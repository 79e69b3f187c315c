"""Near-duplicates: images so alike that one in train and one in test would flatter a model.

A 64-bit difference hash finds candidates among all pairs, small grey thumbnails confirm them:
their correlation as they are (the scene) and of their detail alone, without what is smooth, as
two dark or blurred frames are alike in everything smooth. Thresholds were set on BUSI (known
repeats) and Kvasir-SEG (three known pairs among 900, where similar scenes abound).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray

from models.case import Pixels

HASH_BITS_MAX = 10  # of 64
SCENE_MIN = 0.965  # correlation of thumbnails
DETAIL_MIN = 0.82  # correlation of their detail
SIDE = 32  # of a thumbnail, pixels
FINE, COARSE = 0.7, 1.5  # blurs, in thumbnail pixels, between which detail lies
RIM = 2  # thumbnail pixels at the border that a blur would falsify
NEXT_MAX = 64  # partners recorded per image: still frames of a video are alike by the thousand
_CANDIDATES_MAX = 1024  # per image, looked at more closely
_AT_ONCE = 4_000_000  # pairs of hashes compared in one piece (32 MB)
_CONFIRMED_AT_ONCE = 2048  # pairs of thumbnails (16 MB)


@dataclass(frozen=True)
class Pair:
    """Two images by their order of arrival, first < second, and how alike they are (at most 1)."""

    first: int
    second: int
    likeness: float


class Thumbnails:
    """Hash in memory (8 bytes) and thumbnail in an unnamed file (1 kB) of every image seen."""

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self._file = TemporaryFile() if file is None else file  # noqa: SIM115  # closed by close()
        self._hashes: list[int] = []

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, pixels: Pixels) -> None:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        self._hashes.append(difference_hash(grey.astype(np.uint8, copy=False)))
        self._file.write(small.tobytes())

    def close(self) -> None:
        self._file.close()

    def pairs(self, tick: Callable[[int, int], None] = lambda _done, _total: None) -> list[Pair]:
        """Every near-duplicate pair, but of one image's partners only the next NEXT_MAX."""
        if len(self) < 2:
            return []
        hashes = np.array(self._hashes, np.uint64)
        self._file.flush()
        small = np.memmap(self._file, np.uint8, "r", shape=(len(self), SIDE, SIDE))
        found: list[Pair] = []
        for first, second in _candidates(hashes, tick):
            found.extend(_confirmed(small, first, second))
        return found


def difference_hash(grey: NDArray[np.uint8]) -> int:
    """64 bits: whether brightness rises from one cell to the next, on 8 rows of 9 cells."""
    cells = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")


def _candidates(
    hashes: NDArray[np.uint64], tick: Callable[[int, int], None]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (first < second) with near hashes, some rows of the triangle at a time."""
    rows = max(1, _AT_ONCE // len(hashes))
    for start in range(0, len(hashes), rows):
        tick(start, len(hashes))
        stop = min(start + rows, len(hashes))
        apart = np.bitwise_count(hashes[start:stop, None] ^ hashes[None, start:])
        first, second = np.nonzero(apart <= HASH_BITS_MAX)
        later = second > first
        first, second = first[later], second[later]
        kept = _rank(first) < _CANDIDATES_MAX
        yield first[kept] + start, second[kept] + start


def _rank(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The position of each element within its run of equal values; `groups` is sorted."""
    begins = np.searchsorted(groups, groups)
    return np.arange(len(groups)) - begins


def _confirmed(
    small: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64]
) -> Iterator[Pair]:
    likeness = np.empty(len(first), np.float32)
    for start in range(0, len(first), _CONFIRMED_AT_ONCE):
        piece = slice(start, start + _CONFIRMED_AT_ONCE)
        likeness[piece] = _likeness(small[first[piece]], small[second[piece]])
    sure = likeness >= SCENE_MIN
    first, second, likeness = first[sure], second[sure], likeness[sure]
    near = _rank(first) < NEXT_MAX
    for one, two, value in zip(first[near], second[near], likeness[near], strict=True):
        yield Pair(int(one), int(two), float(value))


def _likeness(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Correlation of each pair of thumbnails [n, y, x]; -1 where their detail disagrees."""
    scene = _correlation(one.astype(np.float32), two.astype(np.float32))
    sure = np.flatnonzero(scene >= SCENE_MIN)
    detail = _correlation(_detail(one[sure]), _detail(two[sure]))
    scene[sure[detail < DETAIL_MIN]] = -1.0
    return scene


def _detail(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    found = small.astype(np.float32)
    for image in found:
        image[:] = cv2.GaussianBlur(image, (0, 0), FINE) - cv2.GaussianBlur(image, (0, 0), COARSE)
    return found[:, RIM:-RIM, RIM:-RIM]


def _correlation(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each pair [n, y, x]; two constant images agree (1) when both are constant."""
    a, b = (image.reshape(-1, image.shape[1] * image.shape[2]) for image in (one, two))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    flat = (np.ptp(a, axis=1) < 1e-3) & (np.ptp(b, axis=1) < 1e-3)
    found = (a * b).sum(axis=1) / np.where(norms > 0, norms, 1.0)
    return np.where(flat, 1.0, found).astype(np.float32)
