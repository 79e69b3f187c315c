"""An embolus as the network sees it: the planes along and across its vessel, side by side."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage  # type: ignore[import-untyped] # ships no types

from models.findings import Embolus
from models.imaging.vessels.candidates import Candidate
from models.imaging.vessels.patch import LUNG_HU, patch
from models.pictures import planes
from models.volume import Volume

WIDTH_MM = 20.0  # of a plane: the widest of the network's views
LUMEN_HU = 350.0  # the same for every volume, so that pictures can be compared
SHOWN, A_ROW = 4, 2  # emboli; of them side by side
GAP, WORDS, FRAME = 4, 20, (90, 96, 102)
REACH_MM = 12  # half a side of the box in which the vessel's direction is looked for
EDGE_MM, BALL_MM = 1.2, 4.5  # sigmas: at which edges are taken, and of the ball they are taken in
# What is an edge: from lung to tissue, or, where all is tissue, from that to contrast.
EDGES_HU = ((-500.0, 60.0), (60.0, 250.0))
UP = (1.0, 0.0, 0.0)

CAPTION = (
    f"small: planes along the vessel (left) and across it of the best emboli, {WIDTH_MM:g} mm "
    f"wide; lung ({LUNG_HU:g} HU) nearly black, arteries of {LUMEN_HU:g} HU bright"
)


def gallery(volume: Volume, emboli: Mapping[int, Embolus], width: int) -> Image.Image:
    """The best emboli with number, score and diameter, `width` pixels wide."""
    shown = list(emboli.items())[:SHOWN]
    size = (width - (2 * A_ROW - 1) * GAP - (A_ROW - 1) * GAP) // (2 * A_ROW)
    high = size + WORDS + GAP
    canvas = Image.new("RGB", (width, -(-len(shown) // A_ROW) * high), planes.BLACK)
    for place, (number, found) in enumerate(shown):
        x, y = place % A_ROW * (2 * size + 3 * GAP), place // A_ROW * high
        words = f"{number}  {found.score:.2f}  {found.diameter_mm:.1f} mm"
        planes.lettered(canvas, words, (x, y + WORDS // 2), "lm", 13)
        for picture in _pair(volume, found, size):
            canvas.paste(Image.fromarray(picture), (x, y + WORDS))
            frame = (x, y + WORDS, x + size - 1, y + WORDS + size - 1)
            ImageDraw.Draw(canvas).rectangle(frame, outline=FRAME)
            x += size + GAP
    return canvas


def _pair(volume: Volume, found: Embolus, size: int) -> list[NDArray[np.uint8]]:
    z, y, x = direction(volume, found.centre_voxel)
    candidate = Candidate(found.centre_voxel, (z, y, x), found.diameter_mm, 0.0, LUMEN_HU)
    seen = patch(volume, candidate, WIDTH_MM, 0.0, 0.0, size)
    return [np.repeat(seen[:, :, channel : channel + 1], 3, axis=2) for channel in (0, 1)]


def direction(volume: Volume, place: tuple[float, float, float]) -> tuple[float, float, float]:
    """The vessel's direction at a voxel (z, y, x): a unit vector (z, y, x) in patient millimetres.

    Along it edges are least, in a ball around the place: the least eigenvector of the structure
    tensor. Of the two kinds of edges the more tube-like answers.
    """
    mm = np.arange(-REACH_MM, REACH_MM + 1)
    around = np.stack(np.meshgrid(mm, mm, mm, indexing="ij"), axis=-1)  # (z, y, x)
    places = volume.to_voxel(volume.to_mm(place) + around[..., ::-1])
    hu = ndimage.map_coordinates(
        volume.voxels, np.moveaxis(places, -1, 0), np.float32, order=1, mode="nearest"
    )
    weight = np.exp(-(around**2).sum(axis=-1) / (2 * BALL_MM**2))
    found = [_tube(np.clip((hu - low) / (high - low), 0, 1), weight) for low, high in EDGES_HU]
    along, clear = max(found, key=lambda answer: answer[1])
    z, y, x = (float(part) for part in along)
    return (z, y, x) if clear > 0 else UP


def _tube(
    picture: NDArray[np.float32], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """(direction; how tube-like: 0 none, 1 a clean tube) of a picture of millimetres."""
    edges = np.stack([
        ndimage.gaussian_filter(picture, EDGE_MM, order=order, mode="nearest").ravel()
        for order in ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    ]).astype(np.float64)  # fmt: skip
    strengths, directions = np.linalg.eigh((edges * weight.ravel()) @ edges.T)
    clear = (strengths[1] - strengths[0]) / strengths[2] if strengths[2] > 0 else 0.0
    return directions[:, 0], float(clear)
