"""A phantom CTPA has the densities of a chest, and emboli where its labels say so."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from models.imaging import ctpa_phantom
from models.imaging.ctpa_phantom import Thorax, anatomy, scanner, shapes
from models.imaging.ctpa_phantom import emboli as clots
from models.imaging.ctpa_phantom.grid import Coarse, Grid, stance
from models.imaging.ctpa_phantom.style import (
    LATER,
    OTHER,
    PLAIN,
    STYLES,
    USUAL,
    Looks,
    StyleName,
    looks,
)
from models.imaging.ctpa_phantom.tree import Branches
from models.imaging.ctpa_phantom.vessels import BESIDE, vessels

SMALL = (60, 128, 128)


@cache
def scan(seed: int, emboli: int | None = 5, style: StyleName = "usual") -> Thorax:
    rng = np.random.default_rng(seed)
    return ctpa_phantom.volume(rng, shape=SMALL, emboli=emboli, style=style)


@cache
def arteries() -> tuple[Looks, Branches]:
    rng = np.random.default_rng(3)
    look = looks(rng, USUAL)
    return look, vessels(rng, look).arteries


def at(thorax: Thorax, name: str, distance: NDArray[np.float64]) -> float:
    """The median HU well inside a shape."""
    inside = distance < -6
    assert inside.sum() > 100, name
    return float(np.median(thorax.volume.voxels[inside]))


def body_points(thorax: Thorax) -> NDArray[np.float64]:
    """Roughly the body's own coordinates of every voxel (its tilt and place left out)."""
    z, y, x = np.indices(thorax.volume.voxels.shape)
    places = np.stack([z, y, x], axis=-1).reshape(-1, 3)
    return thorax.volume.to_mm(places).reshape(*thorax.volume.voxels.shape, 3)


def test_a_scan_is_the_seed() -> None:
    again = ctpa_phantom.volume(np.random.default_rng(1), shape=SMALL, emboli=5)
    assert np.array_equal(again.volume.voxels, scan(1).volume.voxels)
    assert np.array_equal(again.emboli, scan(1).emboli)
    assert again.facts == scan(1).facts
    assert not np.array_equal(again.volume.voxels, scan(2).volume.voxels)


def test_tissues_have_the_densities_of_their_kind() -> None:
    thorax = scan(1)
    look, p = thorax.facts["looks"], body_points(thorax)
    assert -950 < at(thorax, "lungs", shapes.lungs(p) + 12) < -650
    right = shapes.chambers(p, "right_ventricle") + 4
    left = shapes.chambers(p, "left_ventricle") + 8
    assert at(thorax, "right heart", right) == pytest.approx(look.contrast_hu, rel=0.2)
    assert at(thorax, "left heart", left) == pytest.approx(
        look.contrast_hu * look.venous, rel=0.2, abs=20
    )
    liver = shapes.ellipsoid(p, (-60, 0, -125), (22, 22, 16))
    assert 40 < at(thorax, "liver", liver) < 110
    voxels = thorax.volume.voxels
    assert (voxels > 500).mean() > 0.003  # bone and the caval vein
    assert ((voxels > -140) & (voxels < -60)).mean() > 0.02  # fat
    assert voxels.min() >= -1024
    assert voxels.max() <= 3071


def test_nothing_dark_lies_within_a_vein_where_a_clot_would_have_to_be_labelled() -> None:
    rng = np.random.default_rng(8)
    look = replace(looks(rng, OTHER), plugs=40.0, swirls=0.0)
    spacing = (2.0, 1.5, 1.5)
    grid = Grid((110, 200, 200), spacing, (-150.0, -150.0, -130.0))
    patient = anatomy.chest(rng, look, grid, 0)
    voxels, _ = anatomy.rendered(rng, patient, grid)
    wide = patient.veins.places[patient.veins.radii_mm > 4]
    index = np.round((wide - grid.origin_mm)[:, ::-1] / spacing).astype(int)
    seen = index[((index >= 0) & (index < grid.shape)).all(axis=1)]
    assert len(seen) > 20
    assert patient.decoys.plugged.any()
    assert (voxels[tuple(seen.T)] > 0.9 * look.venous * look.contrast_hu).all()


def test_emboli_are_darker_than_the_lumen_and_none_of_their_parts_lies_apart() -> None:
    for seed in (1, 2):
        thorax = scan(seed)
        contrast = thorax.facts["looks"].contrast_hu
        facts = thorax.facts["emboli"]
        assert thorax.emboli.max() == len(facts) > 2
        for number, fact in enumerate(facts, start=1):
            mine = thorax.emboli == number
            assert ndimage.label(mine, np.ones((3, 3, 3)))[1] == 1
            assert 30 <= fact["hu"] <= 90
            assert fact["form"] in clots.FORMS
            # At 2.6 mm a voxel of a thin clot holds lumen and lung too.
            assert np.median(thorax.volume.voxels[mine]) < 0.75 * contrast


def test_emboli_lie_in_their_arteries_apart_from_each_other() -> None:
    look, tree = arteries()
    rng = np.random.default_rng(0)
    found = clots.emboli(rng, tree, look, 8)
    assert len(found) == 8
    for clot in found:
        away = np.linalg.norm(clot.tubes.starts[:, None] - tree.places, axis=2)
        assert (away.min(axis=1) <= tree.radii_mm[away.argmin(axis=1)] + 4).all()
        for other in found:
            if other is not clot:
                gap = np.linalg.norm(clot.tubes.starts[:, None] - other.tubes.starts, axis=2)
                assert gap.min() > 3


def test_emboli_come_at_all_levels_in_all_forms_and_up_to_eight() -> None:
    look, tree = arteries()
    rng = np.random.default_rng(1)
    found = [clot for _ in range(12) for clot in clots.emboli(rng, tree, look, 6)]
    assert {clot.level for clot in found} == set(clots.LEVELS)
    assert {clot.form for clot in found} == set(clots.FORMS)
    counts = [clots.how_many(rng) for _ in range(400)]
    assert (min(counts), max(counts)) == (1, 8)
    assert 2 < np.mean(counts) < 4


def test_about_a_quarter_of_the_patients_have_none() -> None:
    rng = np.random.default_rng(0)
    counts = np.array([clots.any_or_none(rng) for _ in range(400)])
    assert (counts == 0).mean() == pytest.approx(0.25, abs=0.06)
    assert scan(4, emboli=0).emboli.max() == 0
    assert scan(4, emboli=0).facts["emboli"] == []


def test_a_size_and_a_spacing_are_kept() -> None:
    rng = np.random.default_rng(0)
    thorax = ctpa_phantom.volume(rng, shape=(24, 60, 64), spacing_mm=(7.0, 5.0, 5.5), emboli=0)
    assert thorax.volume.voxels.shape == (24, 60, 64)
    assert thorax.volume.voxels.dtype == np.int16
    assert thorax.volume.spacing_mm == pytest.approx((7.0, 5.0, 5.5))
    assert (np.diag(thorax.volume.affine) > 0).all()  # to the left, to the back, to the head


def test_the_other_population_differs_in_contrast_noise_and_trees() -> None:
    assert STYLES == {"usual": USUAL, "other": OTHER, "plain": PLAIN}
    thorax = scan(6, emboli=3, style="other")
    assert thorax.facts["style"] == "other"
    assert thorax.facts["looks"].noise_hu >= OTHER.noise_hu[0]
    assert OTHER.contrast_hu[0] < USUAL.contrast_hu[0]
    assert OTHER.contrast_hu[1] > USUAL.contrast_hu[1]
    assert OTHER.exponent[0] >= USUAL.exponent[0] + 0.2


def test_what_was_added_to_a_style_later_changes_no_patient_of_before() -> None:
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    mine = replace(PLAIN, **{name: getattr(USUAL, name) for name in LATER})
    before, after = looks(one, mine), looks(other, PLAIN)
    assert replace(after, **{name: getattr(before, name) for name in LATER}) == before
    assert after != before
    assert one.random() == other.random()


def test_plain_chests_are_coarse_or_fine_with_few_vessels_and_often_no_bronchi() -> None:
    rngs = [np.random.default_rng(k) for k in range(30)]
    drawn = [looks(rng, PLAIN) for rng in rngs]
    beside = np.array([(vessels(*one).owner >= 0).sum() for one in zip(rngs, drawn, strict=True)])
    without = np.array([look.airways < BESIDE for look in drawn])
    assert 5 < without.sum() < 25
    assert not beside[without].any()
    assert np.median(beside[~without]) > 20
    for seed in range(3):
        thorax = ctpa_phantom.volume(np.random.default_rng(seed), style="plain", emboli=4)
        look = thorax.facts["looks"]
        assert thorax.volume.spacing_mm[0] == pytest.approx(look.slice_mm, abs=0.01)
        assert thorax.volume.voxels.shape[2] == round(look.pixels)
        assert thorax.emboli.max() == len(thorax.facts["emboli"]) > 0


def test_white_noise_is_white() -> None:
    grid = Grid((1, 96, 96), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    look = looks(np.random.default_rng(1), USUAL)
    alike = []
    for grain in (0.0, 1.0):
        noise = scanner._grain(np.random.default_rng(0), replace(look, grain=grain), grid)
        assert noise.std() == pytest.approx(1, abs=0.05)
        alike.append(float((noise[:, 1:] * noise[:, :-1]).mean()))
    assert abs(alike[0]) < 0.05
    assert alike[1] > 0.2


def test_noise_is_correlated_within_a_slice_and_little_at_low_frequencies() -> None:
    thorax = scan(1, emboli=5)
    air = thorax.volume.voxels[:, 2:14, 50:78].astype(float)  # in front of the chest
    assert 2 < air.std() < 40
    air -= air.mean(axis=(1, 2), keepdims=True)
    spectrum = (np.abs(np.fft.fft2(air, axes=(1, 2))) ** 2).mean(axis=0)
    assert spectrum[:2, :2].sum() - spectrum[0, 0] < 3 * spectrum.mean()


# ---- the tree -------------------------------------------------------------------------------


def test_radii_obey_murrays_law_at_every_branching() -> None:
    look, tree = arteries()
    assert tree.radii_mm[0] == pytest.approx(look.trunk_mm)
    power = tree.radii_mm**look.exponent
    for node, behind in enumerate(tree.children()):
        if behind:
            assert power[node] == pytest.approx(power[behind].sum(), rel=1e-9)


def test_arteries_end_all_over_both_lungs_and_stay_in_the_chest() -> None:
    _, tree = arteries()
    ends = tree.places[[not behind for behind in tree.children()]]
    assert len(ends) > 300
    assert (shapes.lungs(ends) < 0).mean() > 0.99
    assert (ends[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.1)
    assert np.ptp(ends[:, 2]) > 170
    assert (shapes.cavity(tree.places) < 6).all()
    small = tree.places[tree.endings < 0.02 * tree.endings[0]]
    assert (shapes.obstacles(small) > 0).mean() > 0.97  # they go round heart and aorta


def test_large_airways_are_at_the_side_of_arteries_not_in_them() -> None:
    look = arteries()[0]
    rng = np.random.default_rng(3)
    looks(rng, USUAL)
    found = vessels(rng, look)
    beside = found.airways.ends[found.owner >= 0]
    owners = found.arteries.places[found.owner[found.owner >= 0]]
    radii = found.arteries.radii_mm[found.owner[found.owner >= 0]]
    gap = np.linalg.norm(beside - owners, axis=1) - radii
    assert (gap > 0).all()
    assert len(beside) > 40


# ---- the grid -------------------------------------------------------------------------------


def test_a_smooth_field_known_coarsely_is_right_at_every_voxel() -> None:
    grid = Grid((9, 20, 22), (2.0, 1.3, 1.4), (-5.0, 3.0, 8.0))
    coarse = Coarse(grid)
    p = coarse.points()
    field = np.asarray(p[..., 0] * 2 - p[..., 1] + 0.01 * p[..., 2] ** 2, np.float32)
    z, y, x = np.meshgrid(*(grid.along(axis) for axis in range(3)), indexing="ij")
    assert coarse.up(field, grid) == pytest.approx(2 * x - y + 0.01 * z**2, abs=1e-2)
    part = coarse.up(field, grid.part(4, 7))
    assert part == pytest.approx(coarse.up(field, grid)[4:7], abs=1e-3)


def test_a_tilted_body_is_found_again() -> None:
    lies = stance(np.random.default_rng(2), 4.0, 0.95)
    places = np.random.default_rng(0).uniform(-100, 100, (20, 3))
    assert lies.to_body(lies.to_scanner(places)) == pytest.approx(places)
    assert lies.turn @ lies.turn.T == pytest.approx(np.eye(3))
