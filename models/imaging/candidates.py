"""From a probability map to candidates: what might be a thing, where it is, and how likely it is.

Components are taken at descending thresholds, so that a bright thing keeps its own tight outline
and a faint one is not lost: a component of a lower threshold counts only where it holds none that
was taken above it. A candidate's score is a logistic function of a few of its features whose
coefficients are fitted on validation (`fit`); without them it is its mean probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped] # ships no types

from models.case import Box
from models.imaging.label_maps import Map, resized

Floats = NDArray[np.float64]

THRESHOLDS = (0.5, 0.3, 0.15, 0.05)
SMALLEST = 0.0005  # of the frame's area: 11 x 11 pixels of 512 x 512
MOST = 50  # candidates of a frame, the most probable first
WORKING_SIDE = 640  # pixels: a larger frame is searched at this scale, its map has fewer anyway

# In the order of a candidate's `features`; `_features` says what each is.
FEATURES = ("peak", "mean", "log_area", "border")
PRIOR = np.array([0.0, 0.0, 1.0, 0.0, 0.0])  # intercept, then as FEATURES: the mean probability
# How far from it the validation data may pull, as the spread of a normal prior.
SPREAD = np.array([2.0, 0.5, 0.5, 0.3, 0.5])
LEAST = (None, 0.0, 0.1, None, None)  # never a higher peak or mean for a lower score
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
    height, width = (max(1, round(length * scale)) for length in shape)
    surface = resized(probability, (height, width))
    stretch = np.array([shape[1] / width, shape[0] / height])
    found: list[Candidate] = []
    taken = np.zeros(surface.shape, dtype=bool)
    for threshold in THRESHOLDS:
        _, parts, facts, centres = cv2.connectedComponentsWithStats(
            (surface > threshold).astype(np.uint8), connectivity=8
        )
        for k in range(1, len(facts)):
            x, y, w, h, area = (int(v) for v in facts[k])
            window = (slice(y, y + h), slice(x, x + w))
            inside = parts[window] == k
            if area < SMALLEST * surface.size or taken[window][inside].any():
                continue
            taken[window] |= inside
            found.append(_candidate(surface[window][inside], facts[k], centres[k], stretch, shape))
    found.sort(key=lambda candidate: -candidate.mean)
    return found[:MOST]


def _candidate(
    values: Map, facts: NDArray[np.int32], centre: Floats, stretch: Floats, shape: tuple[int, int]
) -> Candidate:
    """`facts` are OpenCV's (x, y, width, height, area) at the working scale."""
    x, y, w, h, area = (int(v) for v in facts)
    low = np.floor(np.array([x, y]) * stretch)
    high = np.ceil(np.array([x + w, y + h]) * stretch)
    high = np.minimum(high, (shape[1], shape[0]))
    middle = (centre + 0.5) * stretch
    pixels = max(1, round(area * float(stretch.prod())))
    mean = float(values.mean(dtype=np.float64))
    border = bool((low <= 0).any() or (high >= (shape[1], shape[0])).any())
    return Candidate(
        box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        centroid=(float(middle[0]), float(middle[1])),
        area_px=pixels,
        mean=mean,
        features=_features(float(values.max()), mean, pixels / (shape[0] * shape[1]), border),
    )


def _features(peak: float, mean: float, share: float, border: bool) -> tuple[float, ...]:
    """Log odds of the highest and of the mean probability; how often the area doubles 2 % of the
    frame (a small polyp); whether it touches the frame's edge.
    """
    doublings = float(np.log2(max(share, 1e-6) / 0.02))
    return _log_odds(peak), _log_odds(mean), doublings, float(border)


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

    Without any candidate they are the prior's: the mean probability itself. Hits and misses count
    as (n + 1) / (n + 2) and 1 / (n + 2) (Platt 1999), so that a part of the data without a single
    false positive does not make the network certain of everything.
    """
    hits, misses = int(hit.sum()), int((~hit).sum())
    wanted = np.where(hit, (hits + 1) / (hits + 2), 1 / (misses + 2))
    rows = np.column_stack([np.ones(len(hit)), features.reshape(len(hit), len(FEATURES))])

    def loss(coefficients: Floats) -> tuple[float, Floats]:
        odds = rows @ coefficients
        away = (coefficients - PRIOR) / SPREAD
        value = np.logaddexp(0, odds).sum() - wanted @ odds + (away**2).sum() / 2
        slope = rows.T @ (1 / (1 + np.exp(-odds)) - wanted) + away / SPREAD
        return float(value), np.asarray(slope)

    bounds = [(least, None) for least in LEAST]
    done = minimize(loss, PRIOR, jac=True, bounds=bounds, method="L-BFGS-B")
    return tuple(float(value) for value in done.x)
