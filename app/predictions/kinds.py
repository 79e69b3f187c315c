"""What kind of file was sent, told by its first bytes, and whether its task answers for it."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Literal

from app.errors import UnsupportedMedia
from models import discovery
from models.imaging import frames
from models.imaging.video import kinds
from models.task import Task

Kind = Literal["image", "video", "volume"]
SNIFFED_BYTES = 352  # a NIfTI file says at byte 344 that it is one
VIDEOS = "mp4, mov, avi, mkv, webm"
VOLUMES = "a zip of a DICOM series, one multi-frame DICOM file, .nii, .nii.gz"
FRAMES = ("one DICOM frame",)
# A DICOM file without its preamble begins with an element of group 2 or 8.
_BARE_DICOM = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
_TIFF = (b"II*\0", b"MM\0*")


def _nifti(head: bytes) -> bool:
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _dicom(head: bytes) -> bool:
    # What follows the tag is a value representation or, implicit, a length below 65536.
    bare = head.startswith(_BARE_DICOM) and (head[4:6].isalpha() or head[6:8] == b"\0\0")
    return head[128:132] == b"DICM" or bare


Told = Mapping[str, Callable[[bytes], bool]]
OF_VOLUMES: Told = {
    "a DICOM file": _dicom,
    "a zip archive": lambda head: head.startswith((b"PK\x03\x04", b"PK\x05\x06")),
    "a gzip file": lambda head: head.startswith(b"\x1f\x8b"),
    "a zstd file": lambda head: head.startswith(b"\x28\xb5\x2f\xfd"),
    "a tar archive": lambda head: head[257:262] == b"ustar",
    "a NIfTI file": _nifti,
}
OF_VIDEOS: Told = {
    "a Matroska video": lambda head: kinds.container_of(head) == "matroska",
    "an MP4 video": lambda head: kinds.container_of(head) == "mov",
    "an AVI video": lambda head: kinds.container_of(head) == "avi",
    "an MPEG video": lambda head: head.startswith((b"\0\0\1\xba", b"\0\0\1\xb3")),
    "a Windows Media video": lambda head: head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    "a Flash video": lambda head: head.startswith(b"FLV\1"),
}
OF_IMAGES: Told = {
    "a PNG image": lambda head: head.startswith(b"\x89PNG"),
    "a JPEG image": lambda head: head.startswith(b"\xff\xd8\xff"),
    "a TIFF image": lambda head: head.startswith(_TIFF),
    "a WebP image": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "a BMP image": lambda head: head.startswith(b"BM"),
}
OTHERS: Told = {
    "a PDF": lambda head: head.startswith(b"%PDF"),
    "a HEIF image": kinds.still,
}


def _told(head: bytes, *tables: Told) -> str | None:
    """The name of what begins so, if it is one of these."""
    for table in tables:
        for name, matches in table.items():
            if matches(head[:SNIFFED_BYTES]):
                return name
    return None


def takes_region(task: Task) -> bool:
    """Whether it looks at the region that the caller names: its finding tells which it was."""
    return "roi_px" in _told_of(task)


def measures(task: Task) -> bool:
    """Whether it answers in millimetres: its finding tells the spacing that it had."""
    return "spacing_mm" in _told_of(task)


def takes_frames(task: Task) -> bool:
    """Whether one frame in a DICOM file is an image to it, which brings a spacing to measure by."""
    return measures(task) and not task.volumes


def _told_of(task: Task) -> set[str]:
    return {field.name for field in fields(task.finding)}


def is_dicom(head: bytes) -> bool:
    return not _told(head, OF_IMAGES) and _dicom(head)


def kind_of(head: bytes, task: Task) -> Kind:
    """What a file that begins so is to a task.

    Raises UnsupportedMedia for what a task of volumes does not take; what is sent as an image has
    its own check, `check_image`.
    """
    if task.volumes:
        check_volume(head, task)
        return "volume"
    if task.video and kinds.container_of(head[: kinds.HEAD_BYTES]) is not None:
        return "video"
    return "image"


def check_volume(head: bytes, task: Task) -> None:
    """Raises UnsupportedMedia for what is no volume, told by its first bytes."""
    if _told(head, OF_VOLUMES) is None:
        found = _told(head, OF_IMAGES, OF_VIDEOS, OTHERS) or "no kind of volume that is known"
        raise UnsupportedMedia(f"this is {found}; {task.name} answers for one volume ({VOLUMES})")


def check_image(head: bytes, task: Task) -> None:
    """Raises UnsupportedMedia for what is no image at all, told by its first bytes."""
    found = _told(head, OF_VOLUMES, OTHERS, OF_VIDEOS)
    if found is None or (takes_frames(task) and is_dicom(head)):
        return
    images = ", ".join((*frames.FORMATS, *(FRAMES if takes_frames(task) else ())))
    too = f", or for a video ({VIDEOS})" if task.video else ""
    takers = [other.name for other in discovery.tasks().values() if other.volumes]
    taken = f"; volumes are for {', '.join(takers)}" if takers and found in OF_VOLUMES else ""
    raise UnsupportedMedia(
        f"this is {found}; {task.name} answers for one image at a time ({images}){too}{taken}"
    )
