"""A video's frames answered: several at a time, in their order, at the memory of a few."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from models.case import Pixels
from models.imaging.video.terms import Frame

THREADS = (os.cpu_count() or 2) + 1  # the engine's own hold the cores while these wait
AHEAD = 2  # frames waiting for each of them
LISTEN_S = 0.25

Result = TypeVar("Result")


def watch(
    frames: Iterable[Frame], look: Callable[[Pixels], Result], tick: Callable[[], object],
    threads: int = THREADS,
) -> Iterator[tuple[Frame, Result]]:  # fmt: skip
    """What `look` says of each frame, in order; it is called from `threads` at once.

    `tick` is called in the caller's thread, several times a second; what it raises ends the work.
    """
    flying: deque[tuple[Frame, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="watch")
    try:
        for frame in frames:
            flying.append((frame, pool.submit(look, frame.pixels)))
            while len(flying) >= AHEAD * threads or (flying and flying[0][1].done()):
                yield _landed(flying, tick)
        while flying:
            yield _landed(flying, tick)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _landed(
    flying: deque[tuple[Frame, Future[Result]]], tick: Callable[[], object]
) -> tuple[Frame, Result]:
    """The oldest frame's result, waited for."""
    frame, future = flying[0]
    while True:
        try:
            found = future.result(LISTEN_S)
            break
        except TimeoutError:
            if future.done():  # it was the work itself that timed out
                raise
            tick()
    flying.popleft()
    tick()
    return frame, found
