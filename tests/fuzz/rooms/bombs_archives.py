"""Archives that unpack to gigabytes, lists that are longer than what they name, texts that grow."""

import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import zstandard

from models.discovery import layouts
from models.door.archive import CorruptMemberError, open_archive
from models.door.coco_table import read_coco
from models.door.member import Limits
from models.door.table import read_table
from models.layout import Tree
from tests.fuzz.nulls import gzipped

NULLS = bytes(2**20)
MEBIBYTES = 1536
ENTRY = struct.Struct("<4s6H3I5H2I")


def bombs(folder: Path) -> dict[str, Callable[[], object]]:
    def opened(write: Callable[[Path], None], name: str) -> Callable[[], object]:
        path = folder / name
        write(path)
        return partial(_through, path, folder)

    return {
        "zip": opened(_zip, "zip"),
        "zip_of_names": opened(_names, "names"),
        "zip_that_lies": opened(_lying, "lying"),
        "tar_gz": opened(_tar_gz, "tar.gz"),
        "tar_zst": opened(_tar_zst, "tar.zst"),
        "table": partial(read_table, "metadata.csv", b"file_name,label\n" + b"a,b\n" * 5_000_000),
        "yaml_merges": _yaml(),
        "coco": partial(read_coco, b'{"images": [' + b"[]," * 45_000_000 + b"[]]}"),
    }


def _through(path: Path, folder: Path) -> object:
    limits = Limits(members_max=100_000)
    with open_archive(path, limits, folder) as archive:
        for name in archive.names:
            try:
                archive.read(name)
            except CorruptMemberError:
                return "corrupt"
    return None


def _zip(path: Path) -> None:
    _patched(path, 2**20, 3 * 2**29)


def _patched(path: Path, true: int, told: int) -> None:
    """A zip of one member of so many nulls that says that it has another number of them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.png", bytes(true))
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", true), struct.pack("<I", told)))


def _names(path: Path) -> None:
    """A list of contents of two million members, of which none is there."""
    count = 2_000_000
    entry = ENTRY.pack(b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    size = count * len(entry)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, size, 0, 0)
    # Starts as a member would, which is what tells a zip.
    path.write_bytes(b"PK\x03\x04" + bytes(26) + entry * count + end)


def _lying(path: Path) -> None:
    """A member that says it has a thousand bytes, and has a thousand times a thousand."""
    _patched(path, 2**26, 1000)


def _head() -> bytes:
    info = tarfile.TarInfo("a.png")
    info.size = MEBIBYTES * 2**20
    return info.tobuf()


def _tar_gz(path: Path) -> None:
    path.write_bytes(gzipped(MEBIBYTES, _head()))


def _tar_zst(path: Path) -> None:
    with path.open("wb") as file, zstandard.ZstdCompressor(1).stream_writer(file) as sink:
        sink.write(_head())
        for _ in range(MEBIBYTES):
            sink.write(NULLS)


def _yaml() -> Callable[[], object]:
    """Merge keys of merge keys: ten times as much in every line."""
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 10)}]}}" for k in range(1, 10)]
    data = "\n".join([*lines, "names: *a9"]).encode()
    files = {"images/1.png": b"", "labels/1.txt": b"0 0.5 0.5 0.1 0.1", "data.yaml": data}

    def read() -> object:
        found = layouts()["yolo"].recognise(Tree(list(files), files.__getitem__))
        return next(_codes(found.warnings)) if found is not None else None

    return read


def _codes(warnings: tuple[dict[str, object], ...]) -> Iterator[str]:
    for warning in warnings:
        yield str(warning["code"])
