"""What may be kept of a DICOM header, by the Basic Application Level Confidentiality Profile.

An allow-list (DICOM PS3.15, Annex E): what is not named here is not kept, whatever it is, private
elements and nested ones too. It is what models.imaging.volumes reads of a series, and nothing that
says who or when. A pack keeps less still: the grid, the notes, no header at all.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from models.imaging.volumes.parsing import quiet, text, texts, value

METHOD = (
    "LayerTune: only geometry and pixel description are kept",
    "UIDs are dropped, or mapped by keyed hash where they are kept",
)
# CID 7050 of PS3.16: what was done. Of the options none is claimed: neither dates nor texts nor
# device names are kept, and pixels are not cleaned (113101).
METHOD_CODES = (("113100", "DCM", "Basic Application Confidentiality Profile"),)
PIXELS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept",
    "RescaleType", "PixelSpacing", "SliceThickness", "ImagePositionPatient",
    "ImageOrientationPatient",
)  # fmt: skip
KINDS = (
    "SOPClassUID", "Modality", "ImageType", "FrameType", "BurnedInAnnotation",
    "RecognizableVisualFeatures", "LossyImageCompression",
)  # fmt: skip
PHASES = (
    "AcquisitionNumber", "TemporalPositionIdentifier", "TemporalPositionIndex",
    "NominalPercentageOfCardiacPhase", "KVP", "FrameAcquisitionNumber",
)  # fmt: skip
SEQUENCES = (
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PlanePositionSequence",
    "PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence",
    "FrameContentSequence", "CTImageFrameTypeSequence",
)  # fmt: skip
MAPPED = ("SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
ALLOWED = frozenset((*PIXELS, *KINDS, *PHASES, *SEQUENCES))
WORDS = frozenset((
    "ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "AXIAL", "LOCALIZER", "VOLUME", "NONE", "MIXED",
    "RESAMPLED", "REFORMATTED", "AVERAGE", "MAX", "MIN", "MPR", "OTHER",
))  # fmt: skip  # of ImageType and FrameType, whose third value and beyond a maker writes freely

Pseudonym = Callable[[str], str]
# Modalities whose pictures usually have the patient's name or number written into them, or are
# photographs of a screen or of paper (PS3.3, C.7.3.1.1.1); angiography is marked now and then.
WRITTEN_INTO = {
    "US": "ultrasound", "IVUS": "intravascular ultrasound", "SC": "a secondary capture",
    "OT": "of another kind", "XA": "angiography", "RF": "fluoroscopy", "ES": "endoscopy",
    "XC": "a photograph", "GM": "microscopy", "DOC": "a document", "SR": "a report",
    "ECG": "an electrocardiogram",
}  # fmt: skip
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and what begins with it


def mapped_uid(uid: str, key: bytes) -> str:
    """A UID that stands for another: the same one for the same, and no way back without the key.

    In the form of PS3.5, B.2: `2.25.` and 128 bits as a decimal number.
    """
    made = hmac.new(key, b"uid\n" + uid.encode(), hashlib.sha256).digest()
    return f"2.25.{int.from_bytes(made[:16], 'big')}"


def reduced(found: Dataset, pseudonym: Pseudonym) -> Dataset:
    """A header of the allowed elements alone, UIDs replaced, and the three elements that say so.

    Pixel data are not part of it. `PatientIdentityRemoved` is NO where text may be burned in.
    """
    made = _allowed(found)
    for keyword in MAPPED:
        if uid := text(found, keyword):
            setattr(made, keyword, pseudonym(uid))
    for keyword, said in report(burned_in(found) is not None).items():
        setattr(made, keyword, _coded(said) if keyword.endswith("Sequence") else said)
    return made


def _allowed(found: Dataset) -> Dataset:
    made = Dataset()
    for keyword in sorted(ALLOWED):
        read = value(found, keyword)
        if read is None:
            continue
        if keyword in SEQUENCES:
            items = [_allowed(item) for item in read if isinstance(item, Dataset)]
            read = Sequence(items)
        elif keyword in ("ImageType", "FrameType"):
            read = [word for word in texts(found, keyword) if word in WORDS]
        with quiet():
            setattr(made, keyword, read)
    return made


def report(written: bool) -> dict[str, Any]:
    """The elements (0012,0062), (0012,0063) and (0012,0064) with their values, as JSON.

    `written`: whether text with a name may be burned into the pixels, which nobody took out.
    """
    return {
        "PatientIdentityRemoved": "NO" if written else "YES",
        "DeidentificationMethod": list(METHOD),
        "DeidentificationMethodCodeSequence": [
            {"CodeValue": code, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}
            for code, scheme, meaning in METHOD_CODES
        ],
    }


def _coded(items: list[dict[str, str]]) -> Sequence:
    made = []
    for item in items:
        one = Dataset()
        for keyword, said in item.items():
            setattr(one, keyword, said)
        made.append(one)
    return Sequence(made)


def burned_in(found: Dataset) -> tuple[str, str] | None:
    """A note (code, detail) where the pixels may show who the patient is: the header says so, or
    it says nothing and pictures of its kind often do.
    """
    said = text(found, "BurnedInAnnotation").upper()
    if said == "YES":
        detail = "BurnedInAnnotation is YES: text in the picture may name the patient"
        return "burned_in_text", f"{detail}; blank it out and send the series again"
    if said == "NO":
        return None
    modality = text(found, "Modality").upper()
    kind = WRITTEN_INTO.get(modality)
    if text(found, "SOPClassUID").startswith(SECONDARY_CAPTURE):
        kind = "a secondary capture"
    if kind is None:
        return None
    detail = f"{kind} ({modality or 'no modality'}) without BurnedInAnnotation: look whether text"
    return "burned_in_text", f"{detail} in the picture names the patient"
