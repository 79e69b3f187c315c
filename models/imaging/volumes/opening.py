"""What a person sends for a prediction, told by its content, as a volume."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from models.door.archive import Archive, CorruptMemberError, open_archive
from models.door.archive_tar import is_tar
from models.door.member import Limits
from models.imaging.volumes.bounds import VOXELS_MAX
from models.imaging.volumes.dicom import READING, Tell, read_series
from models.imaging.volumes.nifti import read_nifti
from models.imaging.volumes.nifti_header import looks_like_nifti
from models.ledger import RejectedError
from models.volume import Volume, VolumeError

LIMITS = Limits(
    member_max_bytes=5 * 2**29,
    unpacked_max_bytes=8 * 2**30,
    members_max=50_000,
    ratio_floor_bytes=2**28,
)
_ZIP = b"PK\x03\x04", b"PK\x05\x06"
_PACKED = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # gzip, zstd: of a tar, or of one NIfTI file
_START = 2**16  # bytes by which a kind is told
_BLOCK = 512  # of them by which a tar is
_TRUTH = ("mask", "seg", "label", "emboli")  # in the name of a NIfTI file: no image


def _quiet(stage: str) -> None:
    """Nobody watches."""


def open_volume(
    source: Path | bytes,
    series_uid: str | None = None,
    tell: Tell = _quiet,
    limits: Limits = LIMITS,
    voxels_max: int = VOXELS_MAX,
) -> Volume:
    """A zip or tar of a DICOM series or of one NIfTI file, a NIfTI file, or a multi-frame DICOM.

    `series_uid` chooses among several series; `voxels_max` is judged by the header where one tells
    the whole size. Raises VolumeError, and nothing else, for what cannot be read as one volume.
    """
    tell(READING)
    with _on_disk(source) as path:
        with path.open("rb") as file:
            start = file.read(_START)
        if not looks_like_nifti(start) and (
            start.startswith(_ZIP + _PACKED) or is_tar(start[:_BLOCK])
        ):
            return _from_archive(path, series_uid, tell, limits, voxels_max)
        if (size := path.stat().st_size) > limits.member_max_bytes:
            raise VolumeError(
                "too_large", f"{size:,} bytes; at most {limits.member_max_bytes:,} are read"
            )
        data = path.read_bytes()
    if looks_like_nifti(start):
        return read_nifti(data, voxels_max)
    try:
        return read_series(["-"], lambda _: data, tell, series_uid)
    except VolumeError as error:  # its one file needs no name
        raise _unnamed(error) from error


def _unnamed(error: VolumeError) -> VolumeError:
    if error.code == "not_dicom":
        return VolumeError(
            "unknown_format",
            "neither a DICOM file, nor a zip of a DICOM series, nor .nii or .nii.gz by its content",
        )
    return VolumeError(error.code, error.detail)


@contextmanager
def _on_disk(source: Path | bytes) -> Iterator[Path]:
    if isinstance(source, Path):
        yield source
        return
    with tempfile.NamedTemporaryFile(prefix=".layertune-") as file:
        file.write(source)
        file.flush()
        yield Path(file.name)


def _from_archive(
    path: Path, series_uid: str | None, tell: Tell, limits: Limits, voxels_max: int
) -> Volume:
    with tempfile.TemporaryDirectory(prefix=".layertune-") as scratch:
        try:
            ticks = partial(_tick, tell)
            with open_archive(path, limits, Path(scratch), ticks) as archive:
                return _from_members(archive, series_uid, tell, voxels_max)
        except RejectedError as error:
            problem = error.problems[0]
            raise VolumeError(
                str(problem["code"]), str(problem["detail"]), problem["file"]
            ) from error


def _tick(tell: Tell, _done: int, _total: int) -> None:
    tell(READING)


def _from_members(archive: Archive, series_uid: str | None, tell: Tell, voxels_max: int) -> Volume:
    """DICOM before NIfTI: who packs both has converted the one into the other."""
    read = partial(_bytes_of, archive)
    nifti = [name for name in archive.names if name.lower().endswith((".nii", ".nii.gz"))]
    rest = [name for name in archive.names if name not in set(nifti)]
    try:
        return read_series(rest, read, tell, series_uid)
    except VolumeError as error:
        if error.code != "not_dicom" or not nifti:
            raise
    images = [name for name in nifti if not _is_truth(name)] or nifti
    if len(images) > 1:
        raise VolumeError(
            "several_series",
            f"{len(images)} NIfTI files can be the volume; send one of them alone",
        )
    return read_nifti(read(images[0]), voxels_max)


def _is_truth(name: str) -> bool:
    last = name.rsplit("/", 1)[-1].lower()
    return any(word in last for word in _TRUTH)


def _bytes_of(archive: Archive, name: str) -> bytes:
    try:
        return archive.read(name)
    except CorruptMemberError as error:
        raise VolumeError(
            "corrupt_member", "the archive holds this file damaged; pack and send it again", name
        ) from error
