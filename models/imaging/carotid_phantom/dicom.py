"""A phantom's image as a DICOM ultrasound file, with the regions that tell its calibration."""

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, UltrasoundImageStorage

from models.case import Mask
from models.imaging.ctpa_phantom.series import DAY, drawn_uid, written

CENTIMETRES = 3  # PhysicalUnitsXDirection (PS3.3 C.8.5.5.1.15)
TISSUE = 1  # RegionDataType


def image(
    rng: np.random.Generator,
    pixels: Mask,
    region_px: tuple[int, int, int, int],
    spacing_mm: tuple[float, float],
) -> bytes:
    """A single frame in grey; `region_px` is x0, y0, x1, y1, half-open, of the tissue on it."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    uid = drawn_uid(rng)
    data.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = UltrasoundImageStorage, uid
    data.StudyInstanceUID, data.SeriesInstanceUID = drawn_uid(rng), drawn_uid(rng)
    data.Modality, data.Manufacturer = "US", "LayerTune phantom"
    data.StudyDate = data.ContentDate = DAY
    data.StudyTime = data.ContentTime = "120000"
    data.PatientName, data.PatientID = "Phantom^Carotid", "PHANTOM"
    data.PatientBirthDate = data.PatientSex = data.AccessionNumber = data.StudyID = ""
    data.ReferringPhysicianName = ""
    data.ImageType = ["ORIGINAL", "PRIMARY", "VASCULAR"]
    data.SeriesNumber, data.InstanceNumber = 1, 1
    data.SequenceOfUltrasoundRegions = [_region(region_px, spacing_mm)]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    raw = np.ascontiguousarray(pixels).tobytes()
    data.PixelData = raw + b"\0" * (len(raw) % 2)
    return written(data)


def _region(box: tuple[int, int, int, int], spacing_mm: tuple[float, float]) -> Dataset:
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, TISSUE, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = box[0], box[1]
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = box[2] - 1, box[3] - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = CENTIMETRES
    row, column = spacing_mm
    region.PhysicalDeltaX, region.PhysicalDeltaY = column / 10, row / 10
    return region
