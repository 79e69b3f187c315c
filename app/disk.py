"""Free disk where uploads land: below the floor they are refused, so that the service lives on."""

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.errors import DiskFull
from app.settings import settings


def free_bytes() -> int | None:
    """Free bytes where files are kept; None where that is not a disk of this machine."""
    url = urlsplit(settings().storage)
    if url.scheme != "file":
        return None
    folder = Path(unquote(url.path))
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_floor(coming_bytes: int = 0) -> None:
    """Raises DiskFull if less than the floor is free, or would be after `coming_bytes` more."""
    free = free_bytes()
    floor = settings().disk_floor_bytes
    if free is not None and free - coming_bytes < floor:
        raise DiskFull(
            f"{free} bytes are free, {coming_bytes} more are coming and {floor} must stay free: "
            "delete data sets, or give the service more disk"
        )
