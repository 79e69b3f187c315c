"""Archives read as a list of safe members and their bytes, with nothing unpacked as loose files."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What is more than this is refused. Sizes are of the unpacked content.

    An archive that unpacks to more than `ratio_floor_bytes` and to more than `ratio_max` times
    its own size is a bomb: images are compressed already, whole data sets never shrink so far.
    """

    member_max_bytes: int = 2 * 2**30
    unpacked_max_bytes: int = 100 * 2**30
    members_max: int = 1_000_000
    image_max_pixels: int = 100_000_000
    ratio_max: int = 100
    ratio_floor_bytes: int = 2**30
