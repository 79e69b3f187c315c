"""Planes of a volume: upright, millimetres square, sides named, places where they are."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.pictures import SliceError, planes
from models.pictures.planes import Upright
from models.volume import Volume
from tests.models.pictures.chests import chest, lying

ROOM = (400, 400)


def drawn(image: Image.Image) -> NDArray[np.int64]:
    return np.array(image.convert("L")).astype(np.int64)


def oblique() -> Volume:
    """Slices from head to foot, 10 degrees off the patient's axes, columns from left to right."""
    rng = np.random.default_rng(0)
    turn = np.deg2rad(10)
    x = np.array([-np.cos(turn), -np.sin(turn), 0]) * 0.8
    y = np.array([-np.sin(turn), np.cos(turn), 0]) * 0.8
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([x, y, [0, 0, -3.0]])
    affine[:3, 3] = (50, 20, 90)
    return Volume(rng.normal(0, 10, (12, 40, 50)).astype(np.int16), affine)


@pytest.mark.parametrize("volume", [chest()[0], lying()[0], oblique()], ids=["axial", "lying", "o"])
def test_a_bright_voxel_is_drawn_where_its_plane_says(volume: Volume) -> None:
    voxels = np.full(volume.voxels.shape, -1000, np.int16)
    place = tuple(n // 3 for n in voxels.shape)
    voxels[place] = 3000
    body = Upright.of(Volume(voxels, volume.affine))
    for plane in (
        planes.section(body, place[0], planes.CTPA, ROOM),
        planes.overview(body, ROOM)[0],
    ):
        grey = drawn(plane.shown.image)
        y, x = np.nonzero(grey == grey.max())
        expected = plane.at(body.place(place))
        assert (x.mean() + 0.5, y.mean() + 0.5) == pytest.approx(expected, abs=1.5)


def test_millimetres_are_square_whatever_the_voxels_are() -> None:
    voxels = np.full((40, 30, 60), -1000, np.int16)
    affine = np.diag([0.7, 2.0, 4.0, 1.0])
    z, y, x = np.ogrid[:40, :30, :60]
    ball = ((z - 20) * 4) ** 2 + ((y - 15) * 2) ** 2 + ((x - 30) * 0.7) ** 2 < 18**2
    voxels[ball] = 1000
    body = Upright.of(Volume(voxels, affine))
    for plane in (
        planes.section(body, 20, planes.CTPA, ROOM),
        planes.overview(body, ROOM)[0],
    ):
        rows, columns = np.nonzero(drawn(plane.shown.image) > 127)
        high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert high == pytest.approx(36 * plane.px_per_mm, abs=4.5 * plane.px_per_mm)
        assert wide == pytest.approx(36 * plane.px_per_mm, abs=4.5 * plane.px_per_mm)
        assert max(plane.shown.image.size) <= 400


@pytest.mark.parametrize("number", [-1, 30, 1000])
def test_a_slice_that_is_not_there_is_refused_with_those_that_are(number: int) -> None:
    body = Upright.of(chest()[0])
    with pytest.raises(SliceError, match=f"slice {number}: this volume has slices 0 to 29"):
        planes.section(body, number, planes.CTPA, ROOM)


def test_axial_slices_are_seen_from_the_feet(written: list[str]) -> None:
    volume, _ = chest()
    plane = planes.section(Upright.of(volume), 15, planes.CTPA, ROOM)
    planes.sides(plane.shown.image, plane)
    assert written == ["R", "L", "A", "P", "100 mm"]
    left, back = volume.to_mm((15, 33, 79)), volume.to_mm((15, 65, 40))
    assert left[0] > 0 and back[1] > 0  # patient's left, patient's back
    body = Upright.of(volume)
    assert plane.at(body.place((15, 33, 79)))[0] > 390
    assert plane.at(body.place((15, 65, 40)))[1] > plane.shown.image.height - 10


def test_slices_along_another_axis_are_upright_and_named(written: list[str]) -> None:
    volume, _ = lying()
    body = Upright.of(volume)
    plane = planes.section(body, 20, planes.CTPA, ROOM)
    planes.sides(plane.shown.image, plane)
    assert written[:4] == ["A", "P", "H", "F"]
    assert body.words(20).startswith("sagittal slice 20 of 0 to 79, LPS x = ")
    head = body.place(volume.to_voxel(chest()[0].to_mm((29, 33, 40))))
    assert plane.at(head)[1] < 10


def test_a_slice_is_where_its_millimetres_say() -> None:
    for volume, axis in ((chest()[0], 2), (lying()[0], 0)):
        body = Upright.of(volume)
        middle = (np.array(volume.voxels.shape) - 1) / 2
        told = volume.to_mm((7, *middle[1:]))[axis]
        assert body.words(7).endswith(f"= {told:.1f} mm")
    assert "axial slice 7 of 0 to 29, LPS z = -365.0 mm" in Upright.of(chest()[0]).words(7)


def test_the_bar_is_as_long_as_it_says() -> None:
    voxels = np.full((3, 200, 200), -1000, np.int16)
    plane = planes.section(Upright.of(Volume(voxels, np.eye(4))), 1, planes.CTPA, ROOM)
    planes.sides(plane.shown.image, plane)
    line = drawn(plane.shown.image)[400 - 10, 200:]  # 200 mm in 400 px: 50 mm are 100 px
    assert int((line == 255).sum()) == pytest.approx(100, abs=2)


def test_the_line_of_a_slice_lies_where_it_is_seen_from_the_front(written: list[str]) -> None:
    for (volume, things), across in ((chest(), True), (lying(), False)):
        body = Upright.of(volume)
        plane, _ = planes.overview(body, ROOM)
        blank = Image.new("RGB", plane.shown.image.size)
        number = int(np.argwhere(things == 1)[:, 0].mean())
        planes.line_of_slice(blank, plane, body, number)
        rows, columns = np.nonzero((np.array(blank) == planes.SKY).all(axis=2))
        x, y = plane.at(body.place(np.argwhere(things == 1).mean(axis=0)))
        at, seen = (y, np.median(rows)) if across else (x, np.median(columns))
        assert seen == pytest.approx(at, abs=8)
        assert written[-1] == f"slice {number}"


def test_a_front_view_of_coronal_slices_has_no_line(written: list[str]) -> None:
    volume = Volume(np.zeros((10, 12, 14), np.int16), np.array(
        [[2.0, 0, 0, 0], [0, 0, 2, 0], [0, 2, 0, 0], [0, 0, 0, 1]]
    ))  # fmt: skip
    body = Upright.of(volume)
    assert body.words(3).startswith("coronal slice 3 of 0 to 9, LPS y = 6.0 mm")
    planes.line_of_slice(Image.new("RGB", ROOM), planes.overview(body, ROOM)[0], body, 3)
    assert written == []


@pytest.mark.parametrize("shape", [(1, 8, 8), (300, 4, 4), (2, 512, 3), (1, 1, 1)])
def test_a_volume_of_any_size_is_drawn(shape: tuple[int, int, int]) -> None:
    body = Upright.of(Volume(np.zeros(shape, np.int16), np.eye(4)))
    for plane in (
        planes.section(body, 0, planes.CTPA, ROOM),
        planes.overview(body, ROOM)[0],
    ):
        planes.sides(plane.shown.image, plane)
        short, long = sorted(plane.shown.image.size)
        assert short >= 1 and long <= 400
