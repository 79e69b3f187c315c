"""The size a compressed picture claims is read before anything is decoded."""

import io

import pytest
from PIL import Image

from models.imaging.volumes.codestreams import claimed_size


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_rows_and_columns_are_read(kind: str) -> None:
    sink = io.BytesIO()
    Image.new("L", (70, 50)).save(sink, kind)
    assert claimed_size(sink.getvalue()) == (50, 70)


def test_a_bare_codestream_and_jpeg_ls_are_read() -> None:
    sink = io.BytesIO()
    Image.new("L", (70, 50)).save(sink, "JPEG2000", no_jp2=True)
    assert claimed_size(sink.getvalue()) == (50, 70)
    jpeg_ls = b"\xff\xd8\xff\xf7\x00\x0b\x10\x00\x32\x00\x46\x01\x01\x11\x00" + bytes(9)
    assert claimed_size(jpeg_ls) == (50, 70)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff\xd8\x00" * 9])
def test_what_claims_nothing_has_no_size(data: bytes) -> None:
    assert claimed_size(data) is None
