"""Which way is up in a film: its display matrix, by quarter turns and mirrors."""

from collections.abc import Mapping
from typing import cast

import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from models.case import Pixels


def matrix_of(frame: VideoFrame) -> NDArray[np.int64] | None:
    """The display matrix's turn [2, 2] of -1, 0 and 1: column and row of a stored pixel to those
    of a shown one; None where nothing is turned.
    """
    # PyAV's type of it knows motion vectors alone.
    found = cast("Mapping[Type, Buffer]", frame.side_data).get(Type.DISPLAYMATRIX)
    if found is None:
        return None
    a, b, _, c, d, *_ = np.frombuffer(bytes(found), np.int32)
    turn = np.array([[a, c], [b, d]], dtype=np.int64)  # x' = a x + c y, y' = b x + d y
    if abs(a) + abs(d) >= abs(b) + abs(c):
        turn[0, 1] = turn[1, 0] = 0
    else:
        turn[0, 0] = turn[1, 1] = 0
    turn = np.sign(turn)
    plain = np.array_equal(turn, np.eye(2)) or np.linalg.matrix_rank(turn) < 2
    return None if plain else turn


def upright(pixels: Pixels, turn: NDArray[np.int64] | None) -> Pixels:
    """[y, x, 3] turned and mirrored by whole quarters."""
    if turn is None:
        return pixels
    shown = pixels.transpose(1, 0, 2) if turn[0, 1] else pixels
    if turn[0].sum() < 0:
        shown = shown[:, ::-1]
    if turn[1].sum() < 0:
        shown = shown[::-1]
    return np.ascontiguousarray(shown)
