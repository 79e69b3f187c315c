"""A synthetic limb in ultrasound shows what its label map says, and fits the layout it comes in."""

import csv
import io
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.imaging import tissue_phantom
from models.imaging.masks import read_mask
from models.layout import Tree
from models.layouts import metadata_csv
from models.task import Phantom

LIMBS = 10
Views = tuple[tuple[NDArray[np.uint8], NDArray[np.uint8]], ...]


@cache
def limb(index: int) -> Phantom:
    return tissue_phantom.patient(np.random.default_rng([3, index]), index)


def views(phantom: Phantom) -> Views:
    """Grey pixels and label map of every image of a patient."""
    found = []
    for row in phantom.rows:
        coded = np.frombuffer(phantom.files[row["file_name"]], np.uint8)
        grey = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
        found.append((grey, read_mask(phantom.files[row["mask"]], 1_000_000)))
    return tuple(found)


def test_a_limb_is_its_seed() -> None:
    again = tissue_phantom.patient(np.random.default_rng([3, 0]), 0)
    assert again == limb(0)
    assert again.files != limb(1).files


@pytest.mark.parametrize("index", range(LIMBS))
def test_every_view_shows_both_structures_at_a_plausible_size(index: int) -> None:
    for grey, mask in views(limb(index)):
        assert grey.shape == mask.shape == tissue_phantom.SIZE
        assert set(np.unique(mask)) == {0, 1, 2}
        assert 0.004 < (mask == 1).mean() < 0.10
        assert 0.004 < (mask == 2).mean() < 0.06


@pytest.mark.parametrize("index", range(LIMBS))
def test_a_vessel_is_dark_in_a_bright_wall_and_a_nerve_is_brighter_than_muscle(index: int) -> None:
    for grey, mask in views(limb(index)):
        vessel = (mask == 1).astype(np.uint8)
        ring = cv2.dilate(vessel, np.ones((7, 7), np.uint8)) - vessel
        inner = cv2.erode(vessel, np.ones((5, 5), np.uint8))
        assert grey[inner > 0].mean() + 25 < grey[ring > 0].mean()
        # The nerve against what lies at the same depth and is no structure.
        rows = np.flatnonzero((mask == 2).any(axis=1))
        beside = np.where(mask[rows] == 0, grey[rows].astype(float), np.nan)
        assert grey[mask == 2].mean() > np.nanmedian(beside) - 4


def test_a_nerve_is_a_honeycomb_and_a_vessel_is_empty() -> None:
    spreads = []
    for index in range(LIMBS):
        for grey, mask in views(limb(index)):
            smooth = cv2.GaussianBlur(grey, (0, 0), 1.5).astype(float)
            inner = cv2.erode((mask == 1).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
            spreads.append((smooth[mask == 2].std(), smooth[inner].std()))
    nerve, vessel = np.mean(spreads, axis=0)
    assert nerve > 2.5 * vessel


def test_views_of_one_limb_show_one_anatomy_in_other_pixels() -> None:
    areas = [[(mask == 1).sum() for _, mask in views(limb(index))] for index in range(LIMBS)]
    within = np.mean([np.std(area) for area in areas])
    between = np.std([np.mean(area) for area in areas])
    assert within < between / 2
    for index in range(LIMBS):
        first, *others = [grey for grey, _ in views(limb(index))]
        assert all((first != other).mean() > 0.5 for other in others)


def test_a_mask_is_a_png_with_a_palette() -> None:
    for row in limb(0).rows:
        with Image.open(io.BytesIO(limb(0).files[row["mask"]])) as mask:
            assert (mask.format, mask.mode) == ("PNG", "P")


def test_a_limb_has_one_spacing_and_other_limbs_have_others() -> None:
    spacings = [{row["spacing_mm"] for row in limb(index).rows} for index in range(LIMBS)]
    assert all(len(found) == 1 for found in spacings)
    assert len(set.union(*spacings)) > LIMBS // 2
    assert all(0.05 < float(value) < 0.2 for found in spacings for value in found)


def test_the_layout_takes_every_file_in() -> None:
    files = {name: data for index in range(3) for name, data in limb(index).files.items()}
    rows = [row for index in range(3) for row in limb(index).rows]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    files["metadata.csv"] = table.getvalue().encode()
    found = metadata_csv.recognise(Tree(list(files), files.__getitem__))
    assert found is not None
    assert [entry.fate for entry in found.entries] == ["used"]
    assert {item.subject for item in found.items} == {"limb_000", "limb_001", "limb_002"}
    assert all({"image", "mask"} == set(item.files) for item in found.items)
    assert all(item.spacing_mm is not None for item in found.items)
