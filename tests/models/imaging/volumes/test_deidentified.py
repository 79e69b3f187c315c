"""Of a header nothing is kept that is not on the list; what may be seen in the pixels is said."""

import io

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, SecondaryCaptureImageStorage

from models.imaging.volumes.deidentified import (
    ALLOWED,
    MAPPED,
    burned_in,
    mapped_uid,
    reduced,
    report,
)
from models.imaging.volumes.dicom import read_series
from models.imaging.volumes.planes import planes_of
from models.imaging.volumes.stored import pack_volume
from tests import scans

KEY = b"a key"
CANARY = "CANARY7f3a"
# PS3.15, table E.1-1: some of those that name somebody, by their value representation.
NAMING = {
    "PatientName": f"{CANARY}^A", "PatientID": f"{CANARY}-1", "PatientBirthDate": "19700101",
    "PatientAddress": CANARY, "ReferringPhysicianName": CANARY, "OperatorsName": CANARY,
    "InstitutionName": CANARY, "AccessionNumber": CANARY, "StudyID": CANARY,
    "StudyDescription": CANARY, "SeriesDescription": CANARY, "ProtocolName": CANARY,
    "StudyDate": "20240102", "ContentTime": "101112", "DeviceSerialNumber": CANARY,
    "StationName": CANARY, "ImageComments": CANARY, "PatientComments": CANARY,
    "RequestedProcedureDescription": CANARY, "ConvolutionKernel": CANARY, "FilterType": CANARY,
    "StackID": CANARY, "OtherPatientIDs": CANARY,
}  # fmt: skip


def header(**tags: object) -> Dataset:
    values = scans.voxels()[0]
    found = dcmread(io.BytesIO(scans.piece(values, (0, 0, 0), **{**NAMING, **tags})))
    private = found.private_block(0x0009, CANARY, create=True)
    private.add_new(0x01, "LO", CANARY)
    inner = Dataset()
    inner.PatientName, inner.ImagePositionPatient = CANARY, [1, 2, 3]
    found.PlanePositionSequence = [inner]
    found.ReferencedImageSequence = [inner]
    found.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", CANARY]
    return found


def mapped(uid: str) -> str:
    return mapped_uid(uid, KEY)


def test_a_reduced_header_names_nobody() -> None:
    made = reduced(header(), mapped)
    assert CANARY in str(header()) and CANARY not in str(made)
    assert CANARY not in made.to_json()
    known = ALLOWED | set(MAPPED) | set(report(False))
    assert {element.keyword for element in made} <= known
    assert not any(element.tag.is_private for element in made.iterall())
    assert "20240102" not in str(made) and "PixelData" not in made


def test_what_the_readers_need_is_kept() -> None:
    made = reduced(header(), mapped)
    assert list(made.ImagePositionPatient) == [0, 0, 0]
    assert (made.Rows, made.Columns, made.Modality) == (6, 9, "CT")
    assert list(made.ImageType) == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert list(made.PlanePositionSequence[0].ImagePositionPatient) == [1, 2, 3]
    assert "PatientName" not in made.PlanePositionSequence[0]


def test_the_three_elements_say_what_was_done() -> None:
    made = reduced(header(), mapped)
    assert made.PatientIdentityRemoved == "YES"
    assert all(len(value) <= 64 for value in made.DeidentificationMethod)  # an LO's most
    (code,) = made.DeidentificationMethodCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("113100", "DCM")
    assert reduced(header(BurnedInAnnotation="YES"), mapped).PatientIdentityRemoved == "NO"


def test_uids_are_replaced_alike_everywhere_and_only_with_the_key() -> None:
    made = reduced(header(), mapped)
    assert made.SeriesInstanceUID == mapped("1.2.3") != mapped_uid("1.2.3", b"another")
    assert UID(made.SeriesInstanceUID).is_valid and len(made.SeriesInstanceUID) <= 64
    assert "StudyInstanceUID" not in made


@pytest.mark.parametrize(
    ("tags", "noted"),
    [
        ({"Modality": "CT"}, False),
        ({"Modality": "CT", "BurnedInAnnotation": "YES"}, True),
        ({"Modality": "US"}, True),
        ({"Modality": "US", "BurnedInAnnotation": "NO"}, False),
        ({"Modality": "XA"}, True),
        ({"Modality": "SC"}, True),
        ({"Modality": "CT", "SOPClassUID": SecondaryCaptureImageStorage}, True),
        ({"Modality": "MR"}, False),
    ],
)
def test_text_in_the_picture_is_suspected_by_header_and_modality(
    tags: dict[str, str], noted: bool
) -> None:
    found = header(**tags)
    assert (burned_in(found) is not None) == noted
    if noted:
        code, detail = burned_in(found) or ("", "")
        assert code == "burned_in_text" and CANARY not in detail


def test_a_volume_with_text_in_it_is_noted_and_one_without_is_not() -> None:
    scan = scans.voxels()
    plain = scans.series(scan, **NAMING)
    marked = scans.series(scan, **NAMING, BurnedInAnnotation="YES")
    assert read_series(plain, plain.__getitem__).notes == ()
    volume = read_series(marked, marked.__getitem__)
    assert [code for code, _ in volume.notes] == ["burned_in_text"]
    (plane,) = planes_of(next(iter(marked.values())), "a")
    assert plane.burned_in is not None


def test_a_packed_volume_keeps_no_header_at_all() -> None:
    """The report of an ingest: pixels and grid, no element of the header, no UID, no date."""
    series = scans.series(scans.voxels(), **NAMING)
    kept = pack_volume(read_series(series, series.__getitem__))
    assert CANARY.encode() in b"".join(series.values())
    for word in (CANARY, "secret-4711", "Somebody", "1.2.3", "20240102"):
        assert word.encode() not in kept[: kept.index(b"\x28\xb5\x2f\xfd")]
    assert np.array_equal(read_series(series, series.__getitem__).voxels, scans.voxels())
