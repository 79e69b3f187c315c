"""Intima-media thickness: how far the two lines are apart in each column, vertically (paper 1.5).

Pixels always; millimetres only where somebody said how large a pixel is.
"""

import numpy as np
from numpy.typing import NDArray

from models.findings import Thickness

Floats = NDArray[np.float64]


def per_column(upper: Floats, lower: Floats) -> Floats:
    """[n] in pixels, of heights [n] of lumen-intima and media-adventitia."""
    return np.asarray(lower - upper, dtype=np.float64)


def summary(thickness_px: Floats, row_mm: float | None = 1.0) -> Thickness | None:
    """Mean and largest, in the unit of `row_mm` per pixel; None without it or without a column."""
    if row_mm is None or not len(thickness_px):
        return None
    return Thickness(float(thickness_px.mean()) * row_mm, float(thickness_px.max()) * row_mm)
