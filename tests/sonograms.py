"""One synthetic ultrasound frame as a DICOM file, and the same with other tags."""

import io

import numpy as np
from pydicom import Dataset, dcmread

from models.imaging import carotid_phantom

FRAME = carotid_phantom.frame(np.random.default_rng(4))
FILE = carotid_phantom.dicom_image(np.random.default_rng(4), FRAME)


def changed(**tags: object) -> bytes:
    data = dcmread(io.BytesIO(FILE))
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    return written(data)


def written(data: Dataset) -> bytes:
    out = io.BytesIO()
    data.save_as(out)
    return out.getvalue()
