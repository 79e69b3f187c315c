"""A folder is uploaded as a zip that exists nowhere but on the wire."""

import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from app.cli.client import CliError
from app.cli.zipping import FileStream, FolderStream, opened


def drained(stream: FileStream | FolderStream, size: int = 65_536) -> bytes:
    return b"".join(iter(lambda: stream.read(size), b""))


def lesions(folder: Path) -> dict[str, bytes]:
    files = {
        "benign/1.png": os.urandom(300_000),
        "benign/2.bmp": b"B" * 700_000,
        "malignant/1.png": b"",
        "metadata.csv": b"file_name,label\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return files


def test_a_folder_arrives_as_a_zip_of_the_same_files(tmp_path: Path) -> None:
    files = lesions(tmp_path)
    content = drained(opened(tmp_path, lambda _: None))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


def test_what_is_compressed_already_is_stored_and_the_rest_is_deflated(tmp_path: Path) -> None:
    lesions(tmp_path)
    content = drained(opened(tmp_path, lambda _: None))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.getinfo("benign/1.png").compress_type == zipfile.ZIP_STORED
        assert archive.getinfo("benign/2.bmp").compress_size < 10_000


def test_the_bar_counts_every_byte_once(tmp_path: Path) -> None:
    files = lesions(tmp_path)
    counted: list[int] = []
    stream = opened(tmp_path, counted.append)
    drained(stream, 1000)
    assert sum(counted) == stream.total_bytes == sum(map(len, files.values()))


def test_memory_does_not_grow_with_the_folder(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(bytes(4_000_000))
    stream = opened(tmp_path, lambda _: None)
    tracemalloc.start()
    while stream.read(65_536):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000  # of 32 MB


def test_an_archive_is_sent_as_it_lies_and_says_its_length(tmp_path: Path) -> None:
    archive = tmp_path / "lesions.tar.zst"
    archive.write_bytes(b"0123456789")
    stream = opened(archive, lambda _: None)
    assert os.fstat(stream.fileno()).st_size == stream.total_bytes == 10  # type: ignore[union-attr]
    assert drained(stream, 3) == b"0123456789"
    assert stream.name == "lesions.tar.zst"
    stream.close()


def test_a_folder_without_files_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="holds no files: name the folder with the images"):
        opened(tmp_path, lambda _: None)


def test_a_path_that_is_not_there_names_what_could_be(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"does not exist: name an archive .* or a folder"):
        opened(tmp_path / "lesions.zip", lambda _: None)
