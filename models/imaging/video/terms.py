"""What is said about a video between the process that decodes it and the one that asks."""

from dataclasses import dataclass

from models.case import Pixels
from models.imaging.cell import Bounds

READ_PER_S = 5.0  # frames of a second of film that are read where no stride is asked for


class VideoError(Exception):
    """A video that cannot be answered for; `code` is stable, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


@dataclass(frozen=True)
class Limits(Bounds):
    """What is read of a video at most, and what its decoder may take of the machine."""

    pixels_max: int = 4096 * 2304  # of a frame
    duration_max_s: float = 3 * 3600
    frames_max: int = 60_000  # read, not skipped


@dataclass(frozen=True)
class Facts:
    """What is known of a video once its first frame has been seen.

    Sizes are upright, as it is played. `frames` and `duration_s` are what the file says, None
    where it does not; `fps` is the mean rate; every `stride`-th frame is read. `notes` name what
    had to be done or cannot be undone: rotated, interlaced, pixels_not_square.
    """

    container: str
    codec: str
    width: int
    height: int
    fps: float
    stride: int
    frames: int | None
    duration_s: float | None
    notes: tuple[str, ...] = ()

    @property
    def expected(self) -> int | None:
        """How many frames will be read, as far as the file says how many it has."""
        count = self.frames
        if count is None and self.duration_s is not None:
            count = round(self.duration_s * self.fps)
        return None if count is None else -(-count // self.stride)


@dataclass(frozen=True)
class Frame:
    """A frame that was read: its place in the film (0 = first), its time, its pixels, upright."""

    index: int
    time_s: float
    pixels: Pixels


@dataclass(frozen=True)
class Ended:
    """How far the reading came.

    `frames` were decoded, read or skipped; `end_s` is the end of the last; `broken` packets gave
    none. `reason` says why it stopped before the end of the file: cut (the file is damaged there),
    limit, or stopped (its decoder was, see `detail`); empty if it did not.
    """

    frames: int
    end_s: float
    broken: int = 0
    reason: str = ""
    detail: str = ""
    notes: tuple[str, ...] = ()

    def short_of(self, facts: Facts) -> bool:
        """Whether the film ends earlier than its file says, by more than a few frames."""
        early = facts.duration_s is not None and (
            self.end_s < facts.duration_s - max(0.5, 3 / facts.fps)
        )
        fewer = facts.frames is not None and self.frames < 0.95 * facts.frames - 3
        return early or fewer
