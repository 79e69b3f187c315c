"""A phantom patient is uploaded as a clinic would upload one, and read back voxel by voxel."""

import gzip
import io
from functools import cache

import nibabel
import numpy as np
import pydicom
import pytest

from models.imaging import ctpa_phantom
from models.imaging.ctpa_phantom import Thorax, marks, series
from models.imaging.volumes.dicom import read_series
from models.imaging.volumes.masks import read_mask
from models.task import Phantom
from models.volume import LabelVoxels, Volume

SMALL = (40, 96, 100)


@cache
def patient(index: int) -> Phantom:
    return ctpa_phantom.patient(np.random.default_rng([7, index]), index, shape=SMALL)


@cache
def thorax() -> Thorax:
    return ctpa_phantom.volume(np.random.default_rng(5), shape=SMALL, emboli=4)


def slices(phantom: Phantom) -> list[str]:
    return [name for name in phantom.files if "/series/" in name]


def mask(phantom: Phantom) -> str:
    (name,) = (name for name in phantom.files if "/series/" not in name)
    return name


def read(phantom: Phantom) -> tuple[Volume, LabelVoxels]:
    volume = read_series(slices(phantom), phantom.files.__getitem__)
    return volume, read_mask(volume, [mask(phantom)], phantom.files.__getitem__)


def test_a_patient_is_the_seed_to_the_byte() -> None:
    again = ctpa_phantom.patient(np.random.default_rng([7, 2]), 2, shape=SMALL)
    assert again == patient(2)
    assert not set(patient(0).files) & set(patient(2).files)


def test_files_are_a_folder_of_slices_and_a_mask() -> None:
    phantom = patient(0)
    assert phantom.subject == "patient_000"
    assert len(slices(phantom)) == SMALL[0]
    assert mask(phantom) == "patient_000/emboli_mask.nii.gz"
    assert mask(patient(2)) == "patient_002/seg/seg.dcm"
    assert all(name.startswith("patient_000/") for name in phantom.files)


def test_names_do_not_follow_the_slices_and_uids_are_their_own() -> None:
    found = [pydicom.dcmread(io.BytesIO(patient(0).files[name])) for name in slices(patient(0))]
    heights = [float(one.ImagePositionPatient[2]) for one in found]
    assert heights != sorted(heights)
    assert heights != sorted(heights, reverse=True)
    assert len({one.SOPInstanceUID for one in found}) == SMALL[0]
    assert len({one.SeriesInstanceUID for one in found}) == 1
    assert all(pydicom.uid.UID(one.SOPInstanceUID).is_valid for one in found)
    one = found[0]
    assert str(one.PatientName).startswith("Phantom^")
    assert (one.Modality, one.RescaleIntercept, one.BitsStored) == ("CT", -1024, 12)
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    other = pydicom.dcmread(io.BytesIO(patient(2).files[slices(patient(2))[0]]))
    assert other.StudyInstanceUID != one.StudyInstanceUID


def test_every_fourth_patient_has_no_embolus_and_says_so_with_an_empty_mask() -> None:
    _, labels = read(patient(3))
    assert labels.shape == SMALL
    assert labels.max() == 0
    for index in (0, 2):
        assert read(patient(index))[1].max() >= 1


def test_a_series_comes_back_as_the_volume_it_was_written_from() -> None:
    rng = np.random.default_rng(0)
    scan = thorax().volume
    paper = series.papers(rng, "patient_000", SMALL[0])
    files = series.series(rng, scan, paper, "patient_000/series")
    volume = read_series(files, files.__getitem__)
    assert np.array_equal(volume.voxels, scan.voxels)
    assert volume.affine == pytest.approx(scan.affine, abs=1e-4)
    assert volume.sop_uids == paper.sop_uids
    assert volume.series_uid == paper.series_uid
    assert [code for code, _ in volume.notes] == ["coarse_slices"]  # 6 mm, to be quick


@pytest.mark.parametrize("kind", ["nifti", "segmentation"])
@pytest.mark.parametrize("empty", [False, True])
def test_a_mask_comes_back_embolus_by_embolus(kind: str, empty: bool) -> None:
    rng = np.random.default_rng(0)
    scan, labels = thorax().volume, thorax().emboli * np.uint8(not empty)
    paper = series.papers(rng, "patient_000", SMALL[0])
    files = series.series(rng, scan, paper, "series")
    volume = read_series(files, files.__getitem__)
    data = (
        marks.nifti(scan, labels)
        if kind == "nifti"
        else marks.segmentation(rng, scan, labels, paper)
    )
    assert empty or labels.max() >= 3
    assert np.array_equal(read_mask(volume, ["emboli_mask"], lambda _: data), labels)


def test_a_nifti_lies_in_ras_and_its_bytes_hold_no_time() -> None:
    scan, labels = thorax().volume, thorax().emboli
    data = marks.nifti(scan, labels)
    assert data[4:8] == bytes(4)  # gzip's mtime
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    where = np.argwhere(labels == 1)[0]
    lps = scan.to_mm(where)
    ras = image.affine @ [*where[::-1], 1]
    assert ras[:3] == pytest.approx(lps * [-1, -1, 1], abs=1e-3)
    assert np.asarray(image.dataobj)[tuple(where[::-1])] == 1


def test_a_segmentation_names_the_slices_that_it_is_about() -> None:
    phantom = patient(2)
    seg = pydicom.dcmread(io.BytesIO(phantom.files[mask(phantom)]))
    sops = {
        pydicom.dcmread(io.BytesIO(phantom.files[name]), stop_before_pixels=True).SOPInstanceUID
        for name in slices(phantom)
    }
    for frame in seg.PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID in sops
    assert seg.SegmentationType == "BINARY"
    assert seg.pixel_array.any(axis=(-1, -2)).all()
