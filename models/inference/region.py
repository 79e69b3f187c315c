"""The region of an image that a caller asks about: a box, or two points along what is meant."""

from models.case import Box

ROOM_MM = 3.0  # above and below a point on a wall: the wall itself, plaque, and some of the lumen
ROOM_PX = 50.0  # the same where no spacing is known, and the least: 2 to 5 mm of usual scanners
Size = tuple[int, int]  # width, height


def along(
    region: Box, size: Size, spacing_mm: tuple[float, float] | None, *, points: bool
) -> tuple[Box, bool]:
    """The box to look at, and whether it was made higher than what was given.

    `points` says that the corners are two points on the wall. So are those of a box that is too
    low to hold one: nobody means ten rows of an image.
    """
    room = ROOM_PX if spacing_mm is None else max(ROOM_MM / spacing_mm[0], ROOM_PX)
    x0, y0, x1, y1 = region
    if not points and y1 - y0 >= min(room, size[1]):
        return region, False
    return (x0, max(y0 - room, 0.0), x1, min(y1 + room, float(size[1]))), True
