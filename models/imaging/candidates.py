"""From a probability map to candidates: what might be a thing, where it is, and how likely it is.

A component above a low threshold counts only where it holds none above a higher one: a bright
thing keeps its own tight outline, and a faint one is not lost. A candidate's score is a logistic
function of a few of its features whose coefficients are fitted on validation (`fit`); without
them it is its mean probability.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.case import Box
from models.imaging.components import components
from models.imaging.label_maps import Map, resized
from models.imaging.logistic import fitted

Floats = NDArray[np.float64]

THRESHOLDS = (0.05, 0.15, 0.3, 0.5)
SMALLEST = 0.0005  # of the frame's area: 11 x 11 pixels of 512 x 512
MOST = 50  # candidates of a frame, the most probable first
WORKING_SIDE = 640  # pixels: a larger frame is searched at this scale, its map has fewer anyway

# In the order of a candidate's `features`: log odds of its highest and of its mean probability; how
# much of it there is beside the frame's largest (0, or less by one for each halving); its area in
# doublings of a small polyp's; whether it touches the frame's edge.
FEATURES = ("peak", "mean", "standing", "area", "border")
PRIOR = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])  # intercept, then as FEATURES: the mean itself
# How far from it the validation data may pull, as the spread of a normal prior. Little for the
# area: how large polyps are is another matter at the next hospital, what is a mere satellite of
# something larger in the same frame is not.
SPREAD = np.array([2.0, 0.5, 0.5, 0.3, 0.1, 0.5])
LEAST = (None, 0.0, 0.1, 0.0, None, None)  # more of these three is never less of a score
SMALL = 0.02  # of the frame's area, where the feature "area" is 0: a small polyp
CLIPPED = 1e-4  # probabilities beyond are as certain as this


@dataclass(frozen=True)
class Candidate:
    """One thing that might be there, in pixels of the case.

    `box` is half-open; `centroid` (x, y) has a pixel's centre at + 0.5; `mean` is the mean
    probability within it and `features` what its score is computed of.
    """

    box: Box
    centroid: tuple[float, float]
    area_px: int
    mean: float
    features: tuple[float, ...]


def find(probability: Map, shape: tuple[int, int]) -> list[Candidate]:
    """The candidates of a square probability map over a case of `shape`, most probable first."""
    scale = min(1.0, WORKING_SIDE / max(shape))
    surface = resized(
        probability, (max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale)))
    )
    smallest = SMALLEST * surface.size
    parts = list(_parts(surface, THRESHOLDS, smallest))
    most = max((float(part.values.sum()) for part in parts), default=1.0)
    found = [_candidate(part, most, surface.shape, shape) for part in parts]
    found.sort(key=lambda candidate: -candidate.mean)
    return found[:MOST]


@dataclass(frozen=True)
class _Part:
    """A component: its window (x, y, width, height), its centre and area, all at the working
    scale, and the probabilities within it [area].
    """

    window: tuple[int, int, int, int]
    centre: tuple[float, float]
    area: int
    values: Map


def _parts(
    surface: Map, thresholds: Sequence[float], smallest: float, corner: tuple[int, int] = (0, 0)
) -> Iterator[_Part]:
    """The components above the first threshold, each replaced by what it holds above the next.

    `corner` (x, y) is where `surface` lies in the whole. Looking within components alone keeps
    this cheap: most of a frame is below the lowest threshold.
    """
    found = components(surface > thresholds[0])
    for k, (x, y, width, height) in enumerate(found.windows.tolist()):
        if found.areas[k] < smallest:
            continue
        window = (slice(y, y + height), slice(x, x + width))
        inside = found.index[window] == k + 1
        at = (x + corner[0], y + corner[1])
        brighter: list[_Part] = []
        if thresholds[1:]:
            seen = np.where(inside, surface[window], np.float32(0))
            brighter = list(_parts(seen, thresholds[1:], smallest, at))
        centre = (float(found.centres[k, 0]) + corner[0], float(found.centres[k, 1]) + corner[1])
        values = surface[window][inside]
        yield from brighter or [_Part((*at, width, height), centre, int(found.areas[k]), values)]


def _candidate(
    part: _Part, most: float, working: tuple[int, ...], shape: tuple[int, int]
) -> Candidate:
    """From the working scale to the pixels of the case; a box takes in every pixel it touches.

    `most` is the largest sum of probabilities that any part of the frame has.
    """
    height, width = shape
    across, down = width / working[1], height / working[0]
    x, y, w, h = part.window
    x0, y0 = np.floor(x * across), np.floor(y * down)
    x1, y1 = min(np.ceil((x + w) * across), width), min(np.ceil((y + h) * down), height)
    area = max(1, round(part.area * across * down))
    mean = float(part.values.mean(dtype=np.float64))
    border = x0 <= 0 or y0 <= 0 or x1 >= width or y1 >= height
    return Candidate(
        box=(float(x0), float(y0), float(x1), float(y1)),
        centroid=(part.centre[0] * across, part.centre[1] * down),
        area_px=area,
        mean=mean,
        features=(
            _log_odds(float(part.values.max())),
            _log_odds(mean),
            _doublings(float(part.values.sum()), most),
            _doublings(area, SMALL * width * height),
            float(border),
        ),
    )


def _doublings(value: float, unit: float) -> float:
    """How often `value` is twice the unit, negative for halves; at most ten either way."""
    return float(np.clip(np.log2(value / unit), -10, 10))


def _log_odds(probability: float) -> float:
    kept = min(max(probability, CLIPPED), 1 - CLIPPED)
    return float(np.log(kept / (1 - kept)))


def scores(found: Sequence[Candidate], scoring: Sequence[float]) -> Floats:
    """How likely each candidate is a thing, [n]: calibrated by `scoring`, else its mean."""
    if not scoring or not found:
        return np.array([candidate.mean for candidate in found], dtype=np.float64)
    return logistic(np.array([candidate.features for candidate in found]), scoring)


def logistic(features: Floats, scoring: Sequence[float]) -> Floats:
    """[n] from [n, features] and (intercept, a coefficient for each feature)."""
    return np.asarray(1 / (1 + np.exp(-(scoring[0] + features @ np.array(scoring[1:])))))


def fit(features: Floats, hit: NDArray[np.bool_]) -> tuple[float, ...]:
    """The coefficients under which hits and false positives are most likely, near the prior.

    Without any candidate they are the prior's: the mean probability itself.
    """
    rows = np.column_stack([np.ones(len(hit)), features.reshape(len(hit), len(FEATURES))])
    return fitted(rows, hit, PRIOR, SPREAD, LEAST)
