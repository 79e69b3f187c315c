"""What a person sends for a prediction is told by its content, and refused in words."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.door.member import Limits
from models.imaging.volumes.opening import open_volume
from models.volume import VolumeError
from tests import scans

SCAN = scans.voxels()
AFFINE = np.array([[0.5, 0, 0, 10], [0, 0.8, 0, -20], [0, 0, 2.0, 30], [0, 0, 0, 1.0]])
SERIES = scans.series(SCAN)


def zipped(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return sink.getvalue()


def tarred(files: dict[str, bytes], mode: str) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return sink.getvalue()


def refused(data: bytes, series_uid: str | None = None, **limits: int) -> VolumeError:
    with pytest.raises(VolumeError) as found:
        open_volume(data, series_uid, limits=Limits(**limits))
    return found.value


@pytest.mark.parametrize(
    "sent",
    [
        zipped({f"any/depth/{name}": data for name, data in SERIES.items()}),
        zipped(SERIES | {"README.txt": b"about", "DICOMDIR": b"DICM", "x/mask.nii": b"no"}),
        tarred(SERIES, "w:gz"),
        tarred(SERIES, "w"),
        scans.enhanced(SCAN),
        scans.nifti(SCAN, AFFINE),
        scans.nifti(SCAN, AFFINE, packed=True),
        zipped({"a/image.nii.gz": scans.nifti(SCAN, AFFINE, packed=True), "a/seg.nii": b"x"}),
    ],
    ids=["zip", "zip with more", "tar.gz", "tar", "multi-frame", "nii", "nii.gz", "zip of nii.gz"],
)
def test_every_kind_is_told_by_its_content(sent: bytes, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(sent)
    for source in (sent, tmp_path / "upload"):
        volume = open_volume(source)
        np.testing.assert_array_equal(volume.voxels, SCAN)
        np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)


def test_of_several_series_one_is_chosen_by_its_uid() -> None:
    other = scans.series(SCAN + 1, prefix="b/", SeriesInstanceUID="1.2.9")
    sent = zipped(SERIES | other)
    error = refused(sent)
    assert (error.code, "`series_uid`" in error.detail) == ("several_series", True)
    np.testing.assert_array_equal(open_volume(sent, "1.2.9").voxels, SCAN + 1)
    assert refused(sent, "1.2.10").code == "unknown_series"


def test_a_lone_volume_among_other_series_is_taken_with_a_note() -> None:
    other = scans.series(SCAN[:2], prefix="b/", SeriesInstanceUID="1.2.9")
    volume = open_volume(zipped(SERIES | other))
    assert volume.notes == (("left_out", "1 other series were left out"),)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"", "unknown_format"),
        (b"\x89PNG\r\n\x1a\nno volume" * 99, "unknown_format"),
        (b"\x1f\x8b\x08junk" * 99, "truncated"),
        (gzip.compress(b"just text"), "not_an_archive"),
        (b"PK\x03\x04 and nothing more", "truncated"),
        (zipped(SERIES)[:-40], "truncated"),
        (zipped({}), "not_dicom"),
        (zipped({"README.txt": b"nothing else"}), "not_dicom"),
        (zipped({"../evil": b"x"}), "unsafe_member"),
        (zipped({"a.nii": scans.nifti(SCAN, AFFINE), "b.nii": b""}), "several_series"),
        (scans.nifti(SCAN, AFFINE)[:-9], "truncated"),
        (scans.piece(SCAN[0], (0, 0, 0)), "few_slices"),
        (scans.piece(SCAN[0], (0, 0, 0))[:-9], "few_slices"),
        (scans.enhanced(SCAN)[:-9], "damaged_pixels"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(sent: bytes, code: str) -> None:
    error = refused(sent)
    assert error.code == code
    assert len(error.detail) > 20


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    bomb = zipped({"bomb": bytes(2**22)})
    assert refused(bomb, ratio_floor_bytes=2**20).code == "archive_bomb"
    assert refused(bomb, member_max_bytes=2**20).code == "member_too_large"
    packed = tarred({"bomb": bytes(2**22)}, "w:gz")
    assert refused(packed, ratio_floor_bytes=2**20).code == "archive_bomb"
    assert refused(scans.nifti(SCAN, AFFINE), member_max_bytes=100).code == "too_large"


def test_a_damaged_member_is_named() -> None:
    sent = bytearray(zipped(SERIES))
    at = sent.index(b"003")  # the local header of the first; its data follow
    sent[at + 200 : at + 220] = bytes(20)
    error = refused(bytes(sent))
    assert (error.code, error.file) == ("corrupt_member", "003")


def test_reading_says_that_it_goes_on() -> None:
    heard: list[str] = []
    open_volume(zipped(SERIES), tell=heard.append)
    assert set(heard) == {"reading"}
    assert len(heard) >= 14
