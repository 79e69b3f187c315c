"""A file is told by its first bytes, and goes to a task that takes its kind."""

import gzip
from dataclasses import replace

import pytest

from app.errors import UnsupportedMedia
from app.predictions.kinds import SNIFFED_BYTES, check_image, kind_of
from models import discovery
from models.tasks.classification import TASK as OF_IMAGES
from tests import spots
from tests.app.predictions.colours import png

OF_VIDEOS = replace(OF_IMAGES, name="films", video=True)
SLICE = spots.dicom()["series/000"]
VOLUMES = {
    "zip": spots.zipped({"a": b"b"}),
    "empty zip": spots.zipped(),
    "dicom": SLICE,
    "explicit dicom without its preamble": b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100",
    "implicit dicom without its preamble": b"\x08\x00\x08\x00\x1a\x00\x00\x00DERIVED",
    "big-endian dicom without its preamble": b"\x00\x08\x00\x05CS\x00\x0aISO_IR 100",
    "nifti": spots.nifti(),
    "packed nifti": gzip.compress(spots.nifti()),
    "tar": b"a".ljust(257, b"\0") + b"ustar\0",
}


@pytest.mark.parametrize("kind", VOLUMES)
def test_what_may_hold_a_volume_goes_to_a_task_of_volumes_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(discovery.tasks(), spots.TASK.name, spots.TASK)
    head = VOLUMES[kind][:SNIFFED_BYTES]
    assert kind_of(head, spots.TASK) == "volume"
    for task in (OF_IMAGES, OF_VIDEOS):
        assert kind_of(head, task) == "image"
        with pytest.raises(UnsupportedMedia, match=r"volumes are for .*bright_spots"):
            check_image(head, task)


@pytest.mark.parametrize(
    ("head", "name"),
    [(png(red=1), "a PNG image"), (b"\xff\xd8\xff\xe0", "a JPEG image"), (b"II*\0", "a TIFF image"),
     (b"RIFF\0\0\0\0WEBP", "a WebP image"), (b"RIFF\0\0\0\0AVI ", "an AVI video"),
     (b"\0\0\0\x18ftypmp42", "an MP4 video"), (b"\x1a\x45\xdf\xa3", "a Matroska video"),
     (b"%PDF-1.7", "a PDF"), (b"hello", "no kind of volume"), (b"", "no kind of volume")],
)  # fmt: skip
def test_what_can_hold_none_is_named(head: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMedia, match=f"this is {name}"):
        kind_of(head, spots.TASK)


def test_a_video_is_one_only_where_videos_are_taken() -> None:
    film = b"\0\0\0\x18ftypmp42"
    assert kind_of(film, OF_VIDEOS) == "video"
    assert kind_of(film, OF_IMAGES) == "image"
    with pytest.raises(UnsupportedMedia, match="this is an MP4 video; classification answers"):
        check_image(film, OF_IMAGES)


def test_an_image_or_what_nobody_knows_is_left_to_the_decoder() -> None:
    for head in (png(red=1), b"hello", b""):
        check_image(head, OF_IMAGES)
