"""A volume read in a cell is the volume; what is hostile ends the cell alone, and says so."""

import struct
from pathlib import Path

import numpy as np
import psutil
import pytest

from models.imaging.volumes.apart import cell
from models.imaging.volumes.apart.cell import Limits
from models.imaging.volumes.stored import unpack_volume
from models.volume import VolumeError
from tests import spots


def sent(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "sent"
    path.write_bytes(data)
    return path


def refused(tmp_path: Path, data: bytes, **limits: float) -> VolumeError:
    given = Limits(**limits)  # type: ignore[arg-type]
    with pytest.raises(VolumeError) as found:
        cell.read(sent(tmp_path, data), None, tmp_path / "packed", given)
    return found.value


def test_a_series_comes_back_with_its_place_its_uids_and_its_packed_form(tmp_path: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    packed = tmp_path / "work" / "packed"
    packed.parent.mkdir()
    files = spots.zipped(spots.dicom(series_uid="1.2.3"))
    found = cell.read(sent(tmp_path, files), None, packed, Limits(), lambda *at: heard.append(at))
    np.testing.assert_array_equal(found.voxels, spots.voxels())
    np.testing.assert_allclose(found.affine, np.diag([0.5, 0.8, 2.0, 1.0]))
    assert (found.source, found.series_uid, found.notes) == ("dicom", "1.2.3", ())
    assert found.sop_uids == tuple(f"1.2.3.{k}" for k in range(1, 21))
    np.testing.assert_array_equal(unpack_volume(packed.read_bytes()).voxels, found.voxels)
    assert heard[-1][0] >= len(found.voxels)
    assert list(packed.parent.iterdir()) == [packed]  # what the archive needed has gone


def test_what_cannot_be_read_says_why_and_where(tmp_path: Path) -> None:
    cut = spots.dicom()
    cut["series/003"] = cut["series/003"][:-900]
    found = refused(tmp_path, spots.zipped(cut))
    assert found.code == "damaged_pixels"
    assert "series/003" in found.detail
    assert "Doe" not in found.detail


def test_a_volume_larger_than_is_read_is_refused_with_the_numbers(tmp_path: Path) -> None:
    found = refused(tmp_path, spots.nifti(), voxels_max=25_000)
    assert (found.code, found.detail) == (
        "too_large", "20 x 32 x 40 voxels; at most 25,000 are read",
    )  # fmt: skip


def test_a_header_that_lies_takes_no_more_memory_than_the_cell_has(tmp_path: Path) -> None:
    data = bytearray(spots.nifti())
    data[42:48] = struct.pack("<3h", 1000, 1000, 1000)  # two gigabytes of voxels, it says
    assert refused(tmp_path, bytes(data), voxels_max=2**30).code == "archive_bomb"
    data += bytes(24 << 20)  # large enough to be believed so far
    found = refused(tmp_path, bytes(data), voxels_max=2**30, memory_bytes=700 << 20)
    assert found.code == "too_large"
    assert "700 MiB" in found.detail


def test_a_reader_that_crashes_takes_nobody_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell, "MODULE", "tests.models.imaging.volumes.apart.crashing")
    found = refused(tmp_path, spots.nifti())
    assert found.code == "decoder_stopped"
    assert "SIGSEGV" in found.detail


def test_a_reader_that_says_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell, "MODULE", "tests.models.imaging.volumes.apart.silent")
    assert refused(tmp_path, spots.nifti(), silence_s=0.5).code == "decoder_stopped"
    below = psutil.Process().children(recursive=True)
    assert not [one for one in below if "volumes" in " ".join(one.cmdline())]


def test_whoever_stops_listening_leaves_no_reader_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell, "MODULE", "tests.models.imaging.volumes.apart.silent")

    class StopError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StopError

    with pytest.raises(StopError):
        cell.read(sent(tmp_path, spots.nifti()), None, tmp_path / "packed", Limits(), stop)
    below = psutil.Process().children(recursive=True)
    assert not [one for one in below if "volumes" in " ".join(one.cmdline())]
