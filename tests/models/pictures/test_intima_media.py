"""An intima-media finding in its frame: thin lines, the wall straightened, the thickness below."""

import numpy as np
import pytest
from PIL import Image

from models.case import Points
from models.findings import Columns, IntimaMediaFinding, Labels, Thickness
from models.imaging import carotid_phantom
from models.pictures import curve, finding_picture, look, straightened
from tests.models.pictures.drawn import opened

LABELS = Labels(("lumen", "intima_media", "adventitia"))
FRAME = carotid_phantom.frame(np.random.default_rng(1))
PIXELS = np.repeat(FRAME.pixels[..., None], 3, axis=2)
LINES = (FRAME.lumen_intima, FRAME.media_adventitia)


def told(line: Points) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in line)


def finding(
    spacing: float | tuple[float, float] | None = 0.06,
    lines: tuple[Points, Points] = LINES,
    roi: tuple[float, float, float, float] | None = None,
    left_out: int = 0,
) -> IntimaMediaFinding:
    apart = lines[1][:, 1] - lines[0][:, 1]
    row = spacing[0] if isinstance(spacing, tuple) else spacing
    in_px = Thickness(float(apart.mean()), float(apart.max()))
    in_mm = None if row is None else Thickness(in_px.mean * row, in_px.max * row)
    return IntimaMediaFinding(
        told(lines[0]), told(lines[1]), in_mm, in_px, spacing, None if row is None else "given",
        roi, Columns(len(apart), left_out),
    )  # fmt: skip


NOTHING = IntimaMediaFinding((), (), None, None, None, None, None, Columns(0, 400))


def test_thickness_is_told_in_millimetres_with_the_source_of_the_spacing(
    written: list[str],
) -> None:
    found = finding(0.0605)
    finding_picture(PIXELS, found, LABELS)
    assert found.imt_mm is not None
    assert f"IMT mean {found.imt_mm.mean:.2f} mm" in written
    assert f"max {found.imt_mm.max:.2f} mm" in written
    assert "thickness, mm" in written and "5 mm" in written
    assert "0.0605 mm a pixel, as given by the caller" in written
    assert f"{len(LINES[0])} columns traced, none left out" in written


def test_without_a_spacing_no_millimetre_is_on_it(written: list[str]) -> None:
    finding_picture(PIXELS, finding(None), LABELS)
    assert not any(text.endswith("mm") for text in written)
    assert "100 px" in written and "thickness, px" in written
    assert "in pixels of the input: its spacing is not known" in written


def test_pixels_that_are_not_square_are_measured_each_way_by_their_own(written: list[str]) -> None:
    finding_picture(PIXELS, finding((0.05, 0.1)), LABELS)
    assert "0.05 x 0.1 mm a pixel, as given by the caller" in written
    assert "10 mm" in written  # the bar lies along a row: 507 columns of 0.1 mm


def test_where_no_wall_is_found_the_frame_stands_alone(written: list[str]) -> None:
    image = opened(finding_picture(PIXELS, NOTHING, LABELS))
    assert written[0] != "lumen-intima" and "no far wall found" in written
    assert "lumen-intima" not in written
    assert image.height < PIXELS.shape[0] + 250
    assert np.array_equal(np.array(image)[:60, :300], PIXELS[:60, :300])


def test_each_column_is_at_the_same_place_in_frame_wall_and_curve() -> None:
    at, height = 200, len(PIXELS)
    kept = np.abs(LINES[0][:, 0] - at) <= 3
    found = finding(lines=(LINES[0][kept], LINES[1][kept]), left_out=500)
    image = np.array(opened(finding_picture(PIXELS, found, LABELS)))
    wall = image[height + straightened.DIVIDE :][: straightened.HIGH]
    below = image[height + straightened.DIVIDE + straightened.HIGH :][: curve.HIGH]
    lit = np.flatnonzero(wall.max(axis=(0, 2)))
    assert at - 4 <= lit.min() <= at - 3 and at + 3 <= lit.max() <= at + 4  # a line's soft end
    bluish = below[..., 2].astype(int) - below[..., 0] > 60
    drawn = np.flatnonzero(bluish.any(axis=0))
    assert at - 5 <= drawn.min() <= at - 2


def test_columns_that_were_left_out_are_left_open() -> None:
    kept = (LINES[0][:, 0] < 200) | (LINES[0][:, 0] > 260)
    found = finding(lines=(LINES[0][kept], LINES[1][kept]), left_out=60)
    image = np.array(opened(finding_picture(PIXELS, found, LABELS)))
    wall = image[len(PIXELS) + straightened.DIVIDE :][: straightened.HIGH]
    assert not wall[:, 203:258].any() and wall[:, 100:195].any()
    frame = image[: len(PIXELS)]
    assert np.array_equal(frame[200:300, 205:255], PIXELS[200:300, 205:255])


@pytest.mark.parametrize("size", [(900, 700), (120, 900), (900, 60), (24, 20), (1600, 1200)])
def test_a_picture_of_any_size_is_drawn_whole(size: tuple[int, int], written: list[str]) -> None:
    width, height = size
    pixels = np.array(Image.fromarray(PIXELS).resize(size))
    columns = np.arange(width, dtype=np.float64)
    upper = np.column_stack([columns, np.full(width, height * 0.5)])
    lower = upper + np.array([0, height * 0.1])
    roi = (0.0, height * 0.3, float(width), height * 0.9)
    image = opened(finding_picture(pixels, finding(0.06, (upper, lower), roi), LABELS))
    assert image.width == max(look.fitted(pixels).image.width, look.PANEL_MIN)
    assert image.height > look.fitted(pixels).image.height + straightened.HIGH + curve.HIGH
    assert f"max {height * 0.1 * 0.06:.2f} mm" in written  # nothing of it was cut
    assert "dashed: the region that was looked at" in written


def test_one_column_alone_is_drawn_too(written: list[str]) -> None:
    finding_picture(PIXELS, finding(lines=(LINES[0][7:8], LINES[1][7:8])), LABELS)
    assert "1 columns traced, none left out" in written


def test_the_lines_lie_where_they_were_traced() -> None:
    pixels = np.zeros((400, 500, 3), np.uint8)
    columns = np.arange(100.0, 400.0)
    upper = np.column_stack([columns, np.full(300, 200.0)])
    lower = upper + np.array([0, 40])
    image = opened(finding_picture(pixels, finding(None, (upper, lower)), LABELS))
    for row, colour in ((200, (240, 228, 66)), (240, (86, 180, 233))):
        around = np.array(image)[row - 3 : row + 4, 102:398]
        assert (around.sum(axis=2).argmax(axis=0) == 3).all()
        assert around[[0, 6]].max() == 0  # thin: three pixels off there is nothing of it
        strongest = around[3, 100]
        assert np.allclose(strongest / strongest.max(), np.array(colour) / max(colour), atol=0.02)
