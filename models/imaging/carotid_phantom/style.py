"""What differs from patient to patient and from one phantom population to another."""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

StyleName = Literal["usual", "other"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Style:
    """A population: the range of each quantity, drawn evenly for each image or patient.

    A range that begins below 0 and is cut off there says how often a thing is absent.
    """

    # the patient
    depth_mm: Range = (10.0, 15.0)  # of the middle of the lumen
    lumen_mm: Range = (5.0, 7.2)  # its diameter
    imt_mm: Range = (0.45, 1.10)
    plaque_mm: Range = (-1.6, 1.1)  # how far one stands out of the far wall; below 0.25 none
    plaque_near_mm: Range = (-1.6, 1.0)
    bulb_mm: Range = (-2.2, 1.4)  # by how much the artery widens towards one end
    fat_mm: Range = (1.5, 4.0)  # under the skin
    vein: Range = (0.0, 1.0)  # a jugular vein over the artery from 0.65 on
    # the probe
    tilt_deg: Range = (-6.0, 6.0)
    bend_mm: Range = (-0.8, 0.8)  # of the axis, at the edge of the image
    wave_mm: Range = (0.0, 0.25)
    # the scanner
    pixel_mm: Range = (0.053, 0.067)
    field_mm: Range = (29.0, 34.0)  # across
    span_mm: Range = (23.0, 27.0)  # down
    axial_mm: Range = (0.060, 0.095)  # standard deviation of the point spread, along the beam
    lateral_mm: Range = (0.16, 0.30)  # across it, at the focus
    looks: Range = (1.0, 3.0)  # speckle patterns averaged, as spatial compounding does
    range_db: Range = (52.0, 66.0)  # from black to white
    gain_db: Range = (-3.0, 4.0)
    gamma: Range = (0.85, 1.15)
    fall_db: Range = (0.0, 9.0)  # lost with depth after compensation
    ripple_db: Range = (0.0, 2.5)  # of the compensation
    noise_db: Range = (-74.0, -64.0)
    clutter_db: Range = (-50.0, -38.0)  # in the lumen, below the near wall
    dropout_db: Range = (0.0, 12.0)  # of the intima's echo, in stretches
    shadow_db: Range = (-8.0, 9.0)  # behind poor contact or gas
    sharpening: Range = (0.0, 0.5)
    # the screen
    margin: Range = (-0.25, 0.08)  # black around the image, a share of its width
    text: Range = (-2.0, 2.0)  # pieces of writing burned in


USUAL = Style()
OTHER = Style(
    depth_mm=(8.0, 20.0), lumen_mm=(4.2, 8.4), imt_mm=(0.40, 1.40), plaque_mm=(-1.2, 1.8),
    plaque_near_mm=(-1.2, 1.6), bulb_mm=(-1.5, 2.2), fat_mm=(1.0, 6.0), vein=(0.2, 1.0),
    tilt_deg=(-13.0, 13.0), bend_mm=(-1.6, 1.6), wave_mm=(0.0, 0.4), pixel_mm=(0.040, 0.098),
    field_mm=(26.0, 40.0), span_mm=(22.0, 36.0), axial_mm=(0.075, 0.150), lateral_mm=(0.26, 0.55),
    looks=(1.0, 5.0), range_db=(46.0, 74.0), gain_db=(-5.0, 9.0), gamma=(0.65, 1.4),
    fall_db=(0.0, 16.0), ripple_db=(0.0, 4.0), noise_db=(-70.0, -54.0), clutter_db=(-46.0, -30.0),
    dropout_db=(3.0, 18.0), shadow_db=(-4.0, 14.0), sharpening=(0.0, 1.2), margin=(0.02, 0.20),
    text=(4.0, 12.0),
)  # fmt: skip
STYLES: dict[str, Style] = {"usual": USUAL, "other": OTHER}


@dataclass(frozen=True)
class Looks:
    """One draw of what a Style gives ranges of."""

    depth_mm: float
    lumen_mm: float
    imt_mm: float
    plaque_mm: float
    plaque_near_mm: float
    bulb_mm: float
    fat_mm: float
    vein: float
    tilt_deg: float
    bend_mm: float
    wave_mm: float
    pixel_mm: float
    field_mm: float
    span_mm: float
    axial_mm: float
    lateral_mm: float
    looks: float
    range_db: float
    gain_db: float
    gamma: float
    fall_db: float
    ripple_db: float
    noise_db: float
    clutter_db: float
    dropout_db: float
    shadow_db: float
    sharpening: float
    margin: float
    text: float


def looks(rng: np.random.Generator, style: Style) -> Looks:
    """A patient and a scanner of that population."""
    drawn = {item.name: float(rng.uniform(*getattr(style, item.name))) for item in fields(style)}
    return Looks(**drawn)
