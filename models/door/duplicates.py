"""Near-duplicates: images so alike that one in train and one in test would flatter a model.

A 64-bit difference hash finds candidates among all pairs, small grey thumbnails confirm them:
their correlation as they are (the scene) and of their detail alone, without what is smooth, as
two dark or blurred frames are alike in everything smooth. Thresholds were set on BUSI (known
repeats) and Kvasir-SEG (three known pairs among 900, where similar scenes abound).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from tempfile import TemporaryFile

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
_CANDIDATES_MAX = 512  # per image, looked at more closely
_AT_ONCE = 4_000_000  # pairs of hashes compared in one piece (32 MB)
_CONFIRMED_AT_ONCE = 1024  # pairs of descriptions (20 MB)
_SCENE = SIDE * SIDE  # numbers of a description: the scene, then the detail
_LENGTH = _SCENE + (SIDE - 2 * RIM) ** 2


@dataclass(frozen=True)
class Pair:
    """Two images by their order of arrival, first < second, and how alike they are (at most 1)."""

    first: int
    second: int
    likeness: float


class Thumbnails:
    """Of every image seen the hash in memory (8 bytes) and a description in an unnamed file."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115  # closed by close()
        self._hashes: list[int] = []

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, pixels: Pixels) -> None:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        self._hashes.append(difference_hash(grey))
        self._file.write(_described(grey).tobytes())

    def close(self) -> None:
        self._file.close()

    def pairs(self, tick: Callable[[int, int], None] = lambda _done, _total: None) -> list[Pair]:
        """Every near-duplicate pair, but of one image's partners only the next NEXT_MAX."""
        if len(self) < 2:
            return []
        hashes = np.array(self._hashes, np.uint64)
        self._file.flush()
        described = np.memmap(self._file, np.float16, "r", shape=(len(self), _LENGTH))
        found: list[Pair] = []
        for first, second in _candidates(hashes, tick):
            found.extend(_confirmed(described, first, second))
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
    described: NDArray[np.float16], first: NDArray[np.int64], second: NDArray[np.int64]
) -> Iterator[Pair]:
    scene = np.empty(len(first), np.float32)
    detail = np.empty(len(first), np.float32)
    for start in range(0, len(first), _CONFIRMED_AT_ONCE):
        piece = slice(start, start + _CONFIRMED_AT_ONCE)
        one = described[first[piece]].astype(np.float32)
        product = one * described[second[piece]]
        scene[piece] = product[:, :_SCENE].sum(axis=1)
        detail[piece] = product[:, _SCENE:].sum(axis=1)
    sure = (scene >= SCENE_MIN) & (detail >= DETAIL_MIN)
    first, second, scene = first[sure], second[sure], scene[sure]
    near = _rank(first) < NEXT_MAX
    for pair in zip(first[near], second[near], scene[near], strict=True):
        yield Pair(int(pair[0]), int(pair[1]), float(pair[2]))


def _described(grey: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Thumbnail and its detail, each of mean 0 and length 1: a product of two is a correlation."""
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = cv2.GaussianBlur(small, (0, 0), FINE) - cv2.GaussianBlur(small, (0, 0), COARSE)
    parts = [_unit(small.ravel()), _unit(detail[RIM:-RIM, RIM:-RIM].ravel())]
    return np.concatenate(parts).astype(np.float16)


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean 0 and length 1; what is flat becomes a direction of its own, that all flat share."""
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    if length < 1e-2:
        return np.full(values.shape, len(values) ** -0.5, np.float32)
    return np.asarray(values / length, np.float32)
