"""Frames are answered in order, several at once, and no more of them lie in memory than needed."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from models.imaging.video.terms import Frame
from models.inference.video import AHEAD, watch


def frames(count: int, made: list[int] | None = None) -> Iterator[Frame]:
    for k in range(count):
        if made is not None:
            made.append(k)
        yield Frame(k, k / 10, np.full((2, 2, 3), k, np.uint8))


def test_answers_come_in_the_order_of_the_frames_though_some_take_longer() -> None:
    def look(pixels: np.ndarray) -> int:
        time.sleep(0.02 if pixels[0, 0, 0] % 3 == 0 else 0)
        return int(pixels[0, 0, 0])

    found = list(watch(frames(40), look, lambda: None, threads=3))
    assert [(frame.index, answer) for frame, answer in found] == [(k, k) for k in range(40)]


def test_several_are_under_way_at_once_and_few_wait() -> None:
    made: list[int] = []
    together = threading.Barrier(3, timeout=5)

    def look(pixels: np.ndarray) -> int:
        together.wait()  # three at once, or it breaks
        return 0

    for done, _ in enumerate(watch(frames(30, made), look, lambda: None, threads=3)):
        assert len(made) - done <= AHEAD * 3 + 1


def test_a_tick_that_raises_ends_the_work_and_what_is_slow_ticks() -> None:
    class StopError(Exception):
        pass

    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 3:
            raise StopError

    with pytest.raises(StopError):
        list(watch(frames(1), lambda pixels: time.sleep(2), tick, threads=1))


def test_an_error_of_the_network_is_not_lost() -> None:
    def look(pixels: np.ndarray) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(watch(frames(3), look, lambda: None))
    with pytest.raises(TimeoutError):
        list(watch(frames(1), lambda pixels: _late(), lambda: None))


def _late() -> None:
    raise TimeoutError
