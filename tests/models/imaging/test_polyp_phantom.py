"""A synthetic colonoscopy shows a polyp where its mask says so, nowhere else, at stated sizes."""

import csv
import io
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.imaging import polyp_phantom
from models.imaging.masks import read_mask
from models.imaging.polyp_phantom import colon as tube
from models.imaging.polyp_phantom import decoys, growths, heads, sight
from models.imaging.polyp_phantom.scope import camera
from models.imaging.polyp_phantom.sight import looking
from models.layout import Tree
from models.layouts import metadata_csv
from models.task import Phantom

PATIENTS = 10
Frame = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # RGB, mask of 0 and 1


@cache
def patient(index: int) -> Phantom:
    return polyp_phantom.patient(np.random.default_rng([5, index]), index)


def frames(phantom: Phantom) -> list[Frame]:
    found = []
    for row in phantom.rows:
        coded = np.frombuffer(phantom.files[row["file_name"]], np.uint8)
        pixels = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        found.append((pixels, read_mask(phantom.files[row["mask"]], 1_000_000)))
    return found


def everyone() -> list[Frame]:
    return [frame for index in range(PATIENTS) for frame in frames(patient(index))]


def lit(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The field of the endoscope, as it can be told from the picture alone."""
    bright = (pixels.max(axis=2) > 24).astype(np.uint8)
    return cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((31, 31), np.uint8)) > 0


@cache
def video() -> Frame:
    return polyp_phantom.frames(np.random.default_rng(3), 40, (256, 224))


def test_a_patient_is_the_seed() -> None:
    again = polyp_phantom.patient(np.random.default_rng([5, 0]), 0)
    assert again == patient(0)
    assert again.files != patient(1).files


def test_a_third_of_the_frames_has_no_polyp_and_every_fifth_patient_has_none() -> None:
    shown = np.array([[mask.any() for _, mask in frames(patient(k))] for k in range(PATIENTS)])
    assert shown.shape == (PATIENTS, polyp_phantom.FRAMES)
    healthy = np.arange(PATIENTS) % polyp_phantom.HEALTHY == polyp_phantom.HEALTHY - 1
    assert not shown[healthy].any()
    assert (shown[~healthy].sum(axis=1) == polyp_phantom.FRAMES - 1).all()
    assert 0.30 < 1 - shown.mean() < 0.37


def test_polyps_cover_from_one_to_forty_per_cent_of_the_picture_small_and_large() -> None:
    shares = [mask[lit(pixels)].mean() for pixels, mask in everyone() if mask.any()]
    assert min(shares) > 0.006
    assert max(shares) < 0.42
    assert np.quantile(shares, 0.2) < 0.06
    assert np.quantile(shares, 0.8) > 0.12


def test_the_mask_lies_within_what_the_endoscope_sees() -> None:
    for pixels, mask in everyone():
        assert mask.shape == pixels.shape[:2]
        assert mask[~lit(pixels)].sum() <= 0.002 * mask.size
        assert lit(pixels).mean() > 0.5
        assert pixels[[0, -1], -1].max() < 30  # black corners


def test_a_mask_is_solid() -> None:
    for _, mask in everyone():
        closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        assert closed.sum() - mask.sum() <= 0.01 * mask.sum() + 8


def test_a_polyp_differs_from_what_surrounds_it() -> None:
    contrasts = []
    for pixels, mask in everyone():
        if mask.any():
            lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(float)
            ring = cv2.dilate(mask, np.ones((25, 25), np.uint8)) - mask
            ring = (ring > 0) & lit(pixels)
            contrasts.append(np.linalg.norm(lab[mask > 0].mean(axis=0) - lab[ring].mean(axis=0)))
    assert np.median(contrasts) > 12
    assert np.quantile(contrasts, 0.1) > 4


def test_the_outline_of_a_mask_lies_on_an_edge_of_the_picture() -> None:
    """Moved aside by a few pixels it would fit worse: the truth is not merely near."""
    here, moved = [], []
    for pixels, mask in everyone():
        if mask.mean() < 0.02:
            continue
        grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[..., 1], (0, 0), 1.0)
        steep = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
        outline = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        here.append(steep[outline].mean())
        shifts = [np.roll(outline, by, axis) for by in (-7, 7) for axis in (0, 1)]
        moved.append(np.mean([steep[shift].mean() for shift in shifts]))
    assert np.mean(here) > 1.3 * np.mean(moved)
    assert np.mean(np.array(here) > np.array(moved)) > 0.8


def test_frames_of_one_patient_share_the_camera_and_the_colour_and_patients_differ() -> None:
    sizes, means = [], []
    for index in range(PATIENTS):
        shapes = {pixels.shape for pixels, _ in frames(patient(index))}
        assert len(shapes) == 1
        sizes.append(shapes.pop())
        rgb = np.array([pixels[lit(pixels)].mean(axis=0) for pixels, _ in frames(patient(index))])
        means.append(rgb[:, :2] / rgb.sum(axis=1, keepdims=True))
    assert len(set(sizes)) > 1
    within = np.mean([found.std(axis=0) for found in means], axis=0)
    between = np.std([found.mean(axis=0) for found in means], axis=0)
    assert (between > within).all()


def test_a_frame_is_red_with_a_dark_lumen_and_white_glints() -> None:
    for pixels, _ in everyone():
        red, green, blue = pixels[lit(pixels)].mean(axis=0)
        assert red > 1.15 * green > blue
    brightest = [np.sort(pixels.min(axis=2).ravel())[-30:].mean() for pixels, _ in everyone()]
    assert np.median(brightest) > 170


def test_every_kind_of_polyp_and_of_decoy_can_be_looked_at() -> None:
    lens = camera(np.random.default_rng(1))
    for number, kind in enumerate(growths.KINDS):
        rng = np.random.default_rng(number)
        colon = tube.bare(rng, polyp_phantom.LENGTH)
        polyp = growths.polyp(rng, colon, 4.5, 1.0, kind)
        for other in decoys.KINDS:
            decoys.decoy(rng, colon, 4.5, 1.0 + np.pi, other)
        ahead = np.array([0.4 * np.cos(1.0), 0.4 * np.sin(1.0), 1.0])
        pose = looking(3.6, (0.0, 0.0), ahead, 0.0)
        seen = sight.see(colon, (polyp,), pose, lens.rays, lens.density)
        assert 0.003 < seen.polyp.mean() < 0.5, kind
        without = sight.see(colon, (), pose, lens.rays, lens.density)
        assert without.polyp.any() == (kind == "0-IIa")
        assert (seen.distance <= without.distance + 1e-4).all()


def test_a_head_is_met_on_its_skin() -> None:
    rng = np.random.default_rng(4)
    colon = tube.bare(rng, polyp_phantom.LENGTH)
    polyp = growths.polyp(rng, colon, 4.5, 1.0, "0-Ip")
    pose = looking(3.7, (0.0, 0.0), np.array([0.3, 0.4, 1.0]), 0.0)
    stance = sight.stance(colon, pose, polyp.along, polyp.turn)
    rays = camera(rng).rays.reshape(3, -1)
    far = np.full(rays.shape[1], 9.0, np.float32)
    met = heads.met(polyp, stance, rays, far, colon)
    at = stance.axes @ (rays[:, met.pixels] * met.distance - stance.foot[:, None]) / polyp.size
    assert len(met.pixels) > 300
    assert np.abs(heads.distance(polyp, at.astype(np.float32))).max() < 0.02


def test_what_a_fold_hides_is_no_truth() -> None:
    """A ring of wall raised between the lens and a flat polyp takes its pixels away."""
    rng = np.random.default_rng(2)
    colon = tube.bare(rng, polyp_phantom.LENGTH)
    colon.relief[:] = 0
    growths.polyp(rng, colon, 5.0, 1.0, "0-IIa")
    pose, lens = looking(3.0, (0.0, 0.0), np.array([0.0, 0.01, 1.0]), 0.0), camera(rng)
    free = sight.see(colon, (), pose, lens.rays, lens.density).polyp.sum()
    ring = round(4.2 * tube.ALONG)
    colon.relief[ring - 3 : ring + 4] = 0.5
    hidden = sight.see(colon, (), pose, lens.rays, lens.density).polyp.sum()
    assert free > 100
    assert hidden == 0


def test_a_video_is_continuous_and_its_polyp_comes_and_goes() -> None:
    images, masks = video()
    assert images.shape == (40, 224, 256, 3)
    assert masks.shape == (40, 224, 256)
    assert images.dtype == masks.dtype == np.uint8
    assert set(np.unique(masks)) == {0, 1}
    areas = masks.reshape(40, -1).mean(axis=1)
    assert areas[0] == areas[-1] == 0
    assert areas.max() > 0.01
    seen = np.flatnonzero(areas > 0.1 * areas.max())
    assert len(seen) >= 4
    middles = [np.argwhere(masks[k]).mean(axis=0) for k in range(seen[0], seen[-1] + 1)]
    assert np.median(np.linalg.norm(np.diff(middles, axis=0), axis=1)) < 30


def test_one_frame_of_a_video_resembles_the_next_more_than_one_far_from_it() -> None:
    images, _ = video()
    grey = images.mean(axis=3)
    step = np.abs(grey[1:] - grey[:-1]).mean()
    leap = np.abs(grey[20:] - grey[:-20]).mean()
    assert step < 0.75 * leap


def test_a_film_is_the_same_video_frame_by_frame() -> None:
    film = polyp_phantom.film(np.random.default_rng(3), 40, (256, 224))
    images, masks = video()
    for k in range(3):
        pixels, mask = next(film)
        assert (pixels == images[k]).all()
        assert (mask == masks[k]).all()


@pytest.mark.parametrize("size", [(320, 288), (640, 480), (200, 260)])
def test_a_camera_has_the_size_that_is_asked_for(size: tuple[int, int]) -> None:
    lens = camera(np.random.default_rng(0), size)
    assert lens.opening.shape == (size[1], size[0])
    assert np.allclose(np.linalg.norm(lens.rays, axis=0), 1, atol=1e-5)
    straight = lens.pixel(np.array([0.0, 0.0, 1.0]))
    assert np.allclose(straight, lens.middle)


def test_the_layout_takes_every_file_in() -> None:
    chosen = (0, polyp_phantom.HEALTHY - 1)
    files = {name: data for index in chosen for name, data in patient(index).files.items()}
    rows = [row for index in chosen for row in patient(index).rows]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    files["metadata.csv"] = table.getvalue().encode()
    found = metadata_csv.recognise(Tree(list(files), files.__getitem__))
    assert found is not None
    assert [entry.fate for entry in found.entries] == ["used"]
    assert {item.subject for item in found.items} == {patient(index).subject for index in chosen}
    assert all({"image", "mask"} == set(item.files) for item in found.items)
