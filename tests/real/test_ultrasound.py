"""Ultrasound files from real scanners open in their own colours, with their own calibration."""

from pathlib import Path

import pytest

from models.imaging.frames import UnreadableError
from models.imaging.ultrasound import frame_in

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real images are not at {DATA}"),
]
ODD = DATA / "dicom-odd"


@pytest.mark.parametrize(
    ("name", "spacing"),
    [
        ("pydicom/JPGLosslessP14SV1_1s_1f_8b.dcm", 0.25476696592378157),
        ("pydicom/OBXXXX1A.dcm", 0.2622878766196998),
        ("pydicom/OBXXXX1A_rle.dcm", 0.2622878766196998),
        ("pydicom/gdcm-US-ALOKA-16.dcm", 0.3826530650258064),
        ("pydicom/US1_J2KR.dcm", None),
        ("pydicom/US1_UNCR.dcm", None),
        ("pydicom/color-pl.dcm", None),
        ("pydicom/ExplVR_BigEnd.dcm", None),
        ("WG04/RLE/US1_RLE", None),
    ],
)
def test_real_ultrasound_files_open_in_colour_with_their_own_calibration(
    name: str, spacing: float | None
) -> None:
    found = frame_in((ODD / name).read_bytes())
    assert found.pixels.std() > 5
    assert found.spacing_mm == (None if spacing is None else pytest.approx((spacing, spacing)))
    assert found.source == (None if spacing is None else "dicom")


def test_a_real_loop_is_refused_with_the_way_out() -> None:
    with pytest.raises(UnreadableError, match="several_frames"):
        frame_in((ODD / "pydicom/OBXXXX1A_2frame.dcm").read_bytes())
