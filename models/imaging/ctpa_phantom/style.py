"""What differs from patient to patient and from one phantom population to another."""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

StyleName = Literal["usual", "other", "plain"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Style:
    """A population: the range of each quantity, drawn evenly for each patient."""

    contrast_hu: Range = (250.0, 450.0)  # of the pulmonary arteries
    venous: Range = (0.3, 0.8)  # enhancement of veins and left heart, a share of the arteries'
    inflow: Range = (1.4, 2.8)  # of the superior vena cava
    noise_hu: Range = (10.0, 22.0)
    blur_mm: Range = (0.45, 0.75)  # standard deviation of the point spread in the plane
    edge: Range = (0.0, 0.5)  # how much the kernel sharpens
    field_mm: Range = (318.0, 350.0)  # of view, when no spacing is asked for
    slice_mm: Range = (1.25, 1.25)
    size: Range = (0.93, 1.03)  # of the body
    fat_mm: Range = (3.0, 24.0)  # under the skin
    tilt_deg: Range = (0.5, 2.5)
    lung_hu: Range = (-870.0, -790.0)
    exponent: Range = (2.05, 2.35)  # of Murray's law; radii^exponent are kept at a branching
    endings: Range = (240.0, 310.0)  # of the arterial tree in a lung
    bend: Range = (0.05, 0.12)  # of branches, a share of their length
    trunk_mm: Range = (12.0, 15.5)  # radius of the pulmonary trunk
    clot_hu: Range = (35.0, 80.0)
    swirls: Range = (2.0, 9.0)  # mixing in the lumen
    nodes: Range = (4.0, 14.0)  # lymph nodes
    plugs: Range = (0.0, 5.0)  # bronchi filled with mucus
    streaks_hu: Range = (10.0, 60.0)
    hardening: Range = (0.02, 0.09)
    breaths: Range = (0.0, 2.6)  # bands of slices that breathing displaced
    heartbeat_mm: Range = (0.0, 2.0)
    collapse_mm: Range = (-20.0, 16.0)  # of lung at the back without air; below 0 none
    table: Range = (0.0, 1.0)  # a table in the picture from 0.3 on
    corners: Range = (0.0, 1.0)  # beyond the circle of view nothing is known from 0.6 on
    pixels: Range = (340.0, 340.0)  # across, when no size is asked for
    airways: Range = (1.0, 1.0)  # a bronchus at the side of each small artery from 0.5 on
    grain: Range = (1.0, 1.0)  # noise as a reconstruction colours it from 0.5 on, white below
    clot_length: Range = (1.0, 1.0)  # a share of the usual one
    filled: Range = (1.8, 1.8)  # radius below which a clot fills its artery, by the thinnest one


USUAL = Style()
OTHER = Style(
    contrast_hu=(200.0, 500.0), venous=(0.3, 0.95), inflow=(1.1, 3.5), noise_hu=(18.0, 32.0),
    blur_mm=(0.35, 0.95), edge=(0.0, 0.9), field_mm=(300.0, 335.0), slice_mm=(1.0, 1.6),
    size=(0.88, 1.02), tilt_deg=(2.0, 5.0), lung_hu=(-890.0, -740.0), exponent=(2.3, 2.7),
    endings=(150.0, 220.0), bend=(0.1, 0.2), clot_hu=(30.0, 90.0), swirls=(5.0, 14.0),
    nodes=(8.0, 20.0), plugs=(2.0, 9.0), streaks_hu=(30.0, 100.0), hardening=(0.05, 0.14),
    breaths=(1.0, 3.6), heartbeat_mm=(1.0, 3.0), collapse_mm=(-20.0, 34.0),
)  # fmt: skip
# What others draw who want emboli and no anatomy: few vessels, anything between fine and coarse,
# often no bronchi, short clots. What is fitted on it as well does not lean on what only we draw.
PLAIN = Style(
    contrast_hu=(200.0, 500.0), venous=(0.2, 0.9), inflow=(1.0, 1.5), noise_hu=(5.0, 32.0),
    blur_mm=(0.3, 1.2), edge=(0.0, 0.2), field_mm=(300.0, 420.0), slice_mm=(1.0, 3.0),
    size=(0.85, 1.1), tilt_deg=(0.0, 3.0), lung_hu=(-900.0, -740.0), exponent=(2.0, 3.0),
    endings=(20.0, 200.0), bend=(0.0, 0.15), trunk_mm=(10.0, 15.0), clot_hu=(30.0, 90.0),
    swirls=(0.0, 4.0), nodes=(0.0, 6.0), plugs=(0.0, 1.5), streaks_hu=(0.0, 40.0),
    hardening=(0.0, 0.05), breaths=(0.0, 1.5), heartbeat_mm=(0.0, 1.0), collapse_mm=(-20.0, 5.0),
    pixels=(130.0, 320.0), airways=(0.0, 1.0), grain=(0.0, 1.0), clot_length=(0.25, 1.0),
    filled=(1.0, 1.8),
)  # fmt: skip
STYLES: dict[str, Style] = {"usual": USUAL, "other": OTHER, "plain": PLAIN}
# Drawn from a stream of their own: patients drawn before there were these stay who they were.
LATER = ("pixels", "airways", "grain", "clot_length", "filled")


@dataclass(frozen=True)
class Looks:
    """One patient's values of what a Style gives ranges of."""

    contrast_hu: float
    venous: float
    inflow: float
    noise_hu: float
    blur_mm: float
    edge: float
    field_mm: float
    slice_mm: float
    size: float
    fat_mm: float
    tilt_deg: float
    lung_hu: float
    exponent: float
    endings: float
    bend: float
    trunk_mm: float
    clot_hu: float
    swirls: float
    nodes: float
    plugs: float
    streaks_hu: float
    hardening: float
    breaths: float
    heartbeat_mm: float
    collapse_mm: float
    table: float
    corners: float
    pixels: float
    airways: float
    grain: float
    clot_length: float
    filled: float


def looks(rng: np.random.Generator, style: Style) -> Looks:
    """A patient of that population."""
    (aside,) = rng.spawn(1)
    drawn = {
        item.name: float((aside if item.name in LATER else rng).uniform(*getattr(style, item.name)))
        for item in fields(style)
    }
    return Looks(**drawn)
