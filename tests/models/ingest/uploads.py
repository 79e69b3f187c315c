"""Uploads made for a test: small pictures, and archives of every kind around given files."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zstandard
from numpy.typing import NDArray
from PIL import Image

KINDS = ("zip", "tar", "tar.gz", "tar.zst")
Files = Mapping[str, bytes] | Iterable[tuple[str, bytes]]


def pixels(seed: int, side: int = 32) -> NDArray[np.uint8]:
    """[side, side, 3]: blobs that are a picture's own, so that no two seeds are alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


def picture(seed: int, side: int = 32, format: str = "PNG", **options: Any) -> bytes:
    return saved(Image.fromarray(pixels(seed, side)), format, **options)


def saved(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def mask(*values: int, side: int = 32) -> bytes:
    """A grey PNG in stripes of the values."""
    stripes = np.repeat(np.array(values, np.uint8), -(-side // len(values)))[:side]
    return saved(Image.fromarray(np.tile(stripes, (side, 1))))


def pairs(files: Files) -> list[tuple[str, bytes]]:
    return list(files.items()) if isinstance(files, Mapping) else list(files)


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in pairs(files):
            info = zipfile.ZipInfo(name)
            info.filename = name  # ZipInfo would make a backslash a slash on some systems
            info.compress_type = method
            archive.writestr(info, data)
    return out.getvalue()


def tarred(files: Files, **header: Any) -> bytes:
    """A tar; `header` is set on every member (type, linkname, ...)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in pairs(files):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in header.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def packed(kind: str, files: Files) -> bytes:
    if kind == "zip":
        return zipped(files)
    plain = tarred(files)
    if kind == "tar.gz":
        return gzip.compress(plain, 1)
    return zstandard.ZstdCompressor().compress(plain) if kind == "tar.zst" else plain


def written(folder: Path, data: bytes, name: str = "upload") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return path


def class_folders(n: int = 3, labels: Iterable[str] = ("benign", "malignant")) -> dict[str, bytes]:
    """`n` pictures of each label, no two alike."""
    return {
        f"{label}/{k:03d}.png": picture(1000 * place + k)
        for place, label in enumerate(labels)
        for k in range(n)
    }


def table(*rows: Iterable[str], delimiter: str = ",") -> bytes:
    return "\n".join(delimiter.join(row) for row in rows).encode()
