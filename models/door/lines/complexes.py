"""The intima-media complex as a mask: its upper edge is lumen-intima, its lower media-adventitia.

The edge of a mask lies between two rows: half a row above the middle of the first pixel, half a
row below that of the last.
"""

import numpy as np
from numpy.typing import NDArray

from models.case import UNKNOWN, Lines, Mask
from models.imaging.components import components

BACKGROUND, COMPLEX = 0, 2  # of a map of lumen, intima-media and adventitia the second is meant
PARTS_SHARE = 0.05  # of the largest part; smaller ones are crumbs, and not worth a word


class ComplexError(Exception):
    """A mask without an intima-media complex; the message says why."""


def lines_of(mask: Mask) -> tuple[Lines, tuple[str, ...]]:
    """Both lines of the largest connected part [y, x], one point per column, and notes.

    A mask of one value is the complex itself; of several, 2 is. Note: mask_parts (there are
    others). Raises ComplexError.
    """
    drawn = _complex(mask)
    parts = components(drawn)
    largest = parts.index == 1 + int(parts.areas.argmax())
    columns = np.flatnonzero(largest.any(axis=0))
    height = len(mask)
    upper = largest.argmax(axis=0)[columns] - 0.5
    lower = height - 1 - largest[::-1].argmax(axis=0)[columns] + 0.5
    x = columns.astype(np.float64)
    worth = np.count_nonzero(parts.areas > PARTS_SHARE * parts.areas.max())
    notes = ("mask_parts",) if worth > 1 else ()
    return (np.column_stack([x, upper]), np.column_stack([x, lower])), notes


def _complex(mask: Mask) -> NDArray[np.bool_]:
    values = [int(value) for value in np.unique(mask) if value not in (BACKGROUND, UNKNOWN)]
    if not values:
        raise ComplexError("the mask is empty: draw the intima-media complex of the far wall")
    if len(values) > 1 and COMPLEX not in values:
        shown = ", ".join(map(str, values[:5]))
        raise ComplexError(
            f"values {shown} in the mask: draw the intima-media complex alone, or lumen 1, "
            "intima-media 2, adventitia 3"
        )
    wanted = COMPLEX if len(values) > 1 else values[0]
    return np.asarray(mask == wanted)
