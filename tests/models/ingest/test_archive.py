"""Archives of four kinds are read alike; whatever is unsafe, damaged or absurd is refused."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.door.archive import Archive, CorruptMemberError, open_archive
from models.door.member import Limits
from models.ledger import RejectedError
from tests.models.ingest.uploads import KINDS, packed, tarred, written, zipped

FILES = {"a/one.png": b"1" * 700, "b/two.png": b"2" * 10, "three.txt": b""}


def contents(folder: Path, data: bytes, limits: Limits | None = None) -> dict[str, bytes]:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    with open_archive(written(folder, data), limits or Limits(), scratch) as archive:
        assert list(scratch.iterdir()) == []  # nothing is unpacked where anyone could see it
        return {name: archive.read(name) for name in archive.names}


def refusal(folder: Path, data: bytes, limits: Limits | None = None) -> dict[str, str | None]:
    with pytest.raises(RejectedError) as caught:
        contents(folder, data, limits)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_archive_holds_the_same_files(kind: str, tmp_path: Path) -> None:
    assert contents(tmp_path, packed(kind, FILES)) == FILES


@pytest.mark.parametrize("kind", KINDS)
def test_names_come_in_one_order_whatever_the_order_in_the_archive(
    kind: str, tmp_path: Path
) -> None:
    backwards = list(reversed(FILES.items()))
    assert list(contents(tmp_path, packed(kind, backwards))) == sorted(FILES)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_archive_has_no_files(kind: str, tmp_path: Path) -> None:
    assert contents(tmp_path, packed(kind, {})) == {}


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../out.png", "a/../../out.png", "..\\out.png", "C:\\out.png", "c:/out.png",
     "\\\\server\\share\\out.png", "a/.."],
)  # fmt: skip
def test_a_path_that_leads_out_refuses_the_archive(
    pack: Callable[..., bytes], name: str, tmp_path: Path
) -> None:
    problem = refusal(tmp_path, pack({"a.png": b"1", name: b"2"}))
    assert problem["code"] == "unsafe_member"
    assert problem["file"] == name


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_links_devices_and_pipes_in_a_tar_refuse_it(kind: bytes, tmp_path: Path) -> None:
    data = tarred({"a/link.png": b""}, type=kind, linkname="/etc/passwd")
    assert refusal(tmp_path, data) == {
        "file": "a/link.png",
        "code": "unsafe_member",
        "detail": "a link; pack the files themselves"
        if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)
        else "a device or pipe; pack plain files only",
    }


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_devices_and_pipes_in_a_zip_refuse_it(mode: int, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a/link.png")
        info.external_attr = (mode | 0o644) << 16
        archive.writestr(info, "/etc/passwd")
    problem = refusal(tmp_path, out.getvalue())
    assert (problem["code"], problem["file"]) == ("unsafe_member", "a/link.png")


def test_an_encrypted_zip_is_refused_with_the_way_out(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.png": b"secret"}))
    at = data.index(b"PK\x01\x02") + 8
    data[at] |= 1
    problem = refusal(tmp_path, bytes(data))
    assert problem["code"] == "encrypted"
    assert "without a password" in str(problem["detail"])


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_without_a_bound_is_refused(method: int, tmp_path: Path) -> None:
    assert refusal(tmp_path, zipped(FILES, method))["code"] == "unsupported_compression"


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.zst"])
def test_a_bomb_is_refused_by_its_ratio(kind: str, tmp_path: Path) -> None:
    limits = Limits(ratio_floor_bytes=2**20, ratio_max=50)
    data = packed(kind, {"bomb.png": bytes(5 * 2**20)})
    assert refusal(tmp_path, data, limits)["code"] == "archive_bomb"
    assert contents(tmp_path, data) == {"bomb.png": bytes(5 * 2**20)}  # small enough by default


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(unpacked_max_bytes=600), "too_large_unpacked"),
        (Limits(member_max_bytes=699), "member_too_large"),
        (Limits(members_max=2), "too_many_members"),
    ],
)
def test_what_is_beyond_a_limit_is_refused(
    kind: str, limits: Limits, code: str, tmp_path: Path
) -> None:
    assert refusal(tmp_path, packed(kind, FILES), limits)["code"] == code


def test_a_tar_header_that_claims_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    claim = tarfile.TarInfo("pax")
    claim.type, claim.size = tarfile.XHDTYPE, 8 * 2**30 - 1
    data = claim.tobuf(tarfile.USTAR_FORMAT) + bytes(4096)
    assert refusal(tmp_path, data)["code"] == "corrupt_archive"


def test_a_tar_of_negative_sizes_ends(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.png")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" + struct.pack(">q", -512).rjust(11, b"\xff")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\x00 " % sum(block)
    assert refusal(tmp_path, bytes(block) + bytes(1024))["code"] == "corrupt_archive"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.8])
def test_a_truncated_archive_is_refused(kind: str, share: float, tmp_path: Path) -> None:
    noise = {f"{k}.png": bytes((k * j * j) % 251 for j in range(4000)) for k in range(1, 9)}
    data = packed(kind, noise)
    assert refusal(tmp_path, data[: int(share * len(data))])["code"] == "truncated"


def test_a_tar_cut_exactly_between_two_members_is_seen(tmp_path: Path) -> None:
    whole = tarred({"a.png": b"1" * 512, "b.png": b"2" * 512})
    assert refusal(tmp_path, whole[:1024])["code"] == "truncated"


@pytest.mark.parametrize(
    "data", [b"", b"x", b"hello, no archive" * 99, b"\x89PNG\r\n\x1a\n" + bytes(600), b"7z\xbc\xaf"]
)
def test_what_is_no_archive_is_said_to_be_none(data: bytes, tmp_path: Path) -> None:
    assert refusal(tmp_path, data)["code"] == "not_an_archive"


def test_a_compressed_file_that_is_no_tar_is_no_archive(tmp_path: Path) -> None:
    assert refusal(tmp_path, gzip.compress(b"text" * 500))["code"] == "not_an_archive"


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_name_that_occurs_twice_is_never_data(kind: str, tmp_path: Path) -> None:
    if kind == "zip":
        with pytest.warns(UserWarning, match="Duplicate name"):
            data = packed(kind, [("a.png", b"1"), ("a.png", b"2"), ("b.png", b"3")])
    else:
        data = packed(kind, [("a.png", b"1"), ("./a.png", b"2"), ("b.png", b"3")])
    with open_archive(written(tmp_path, data), Limits(), tmp_path) as archive:
        assert archive.names == ("b.png",)
        (entry,) = archive.entries
    assert (entry.file, entry.fate, entry.code) == ("a.png", "excluded", "duplicate_member")


def test_backslashes_composed_letters_and_empty_parts_are_made_comparable(tmp_path: Path) -> None:
    files = {"scans\\u\u0308ber.png": b"1", "./a//b.png": b"2"}
    assert sorted(contents(tmp_path, tarred(files))) == ["a/b.png", "scans/über.png"]


def test_a_zip_name_in_utf8_without_its_flag_is_read_as_it_was_meant(tmp_path: Path) -> None:
    data = zipped({"ü.png": b"1"})
    for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(header) + at
        data = data[:place] + b"\x00\x00" + data[place + 2 :]
    assert list(contents(tmp_path, data)) == ["ü.png"]


def test_a_tar_name_that_is_no_utf8_is_read_as_latin1(tmp_path: Path) -> None:
    data = tarred({"NAME.png": b"1"}).replace(b"NAME", b"\xfcber", 1)
    block = bytearray(data[:512])
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\x00 " % sum(block)
    assert list(contents(tmp_path, bytes(block) + data[512:])) == ["über.png"]


def test_control_characters_in_a_name_are_replaced(tmp_path: Path) -> None:
    assert list(contents(tmp_path, tarred({"a\nb.png": b"1"}))) == ["a�b.png"]


def test_a_damaged_member_leaves_the_others_readable(tmp_path: Path) -> None:
    data = zipped({"a.png": b"abcdefgh", "b.png": b"fine"}, zipfile.ZIP_STORED)
    damaged = data.replace(b"abcdefgh", b"abcdXfgh")
    with open_archive(written(tmp_path, damaged), Limits(), tmp_path) as archive:
        assert archive.read("b.png") == b"fine"
        with pytest.raises(CorruptMemberError):
            archive.read("a.png")


def test_a_member_gives_no_more_than_its_list_of_contents_says(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.png": bytes(100_000)}))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 10)
    with (
        open_archive(written(tmp_path, bytes(data)), Limits(), tmp_path) as archive,
        pytest.raises(CorruptMemberError),
    ):
        archive.read("a.png")


def test_a_member_that_reaches_beyond_the_archive_is_refused_in_words(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.png": b"abcdefgh"}, zipfile.ZIP_STORED))
    at = data.index(b"PK\x01\x02") + 20  # packed and whole size, as the list of contents says
    data[at : at + 8] = struct.pack("<II", 100_000, 100_000)
    with (
        open_archive(written(tmp_path, bytes(data)), Limits(), tmp_path) as archive,
        pytest.raises(CorruptMemberError, match="ends before the member"),
    ):
        archive.read("a.png")


def read_all(archive: Archive) -> None:
    for name in archive.names:
        name.encode()  # every name can be stored
        try:
            assert len(archive.read(name)) == archive.size(name)
        except CorruptMemberError:
            continue


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    keep=st.floats(0.2, 1),
)
def test_a_damaged_archive_is_read_or_refused_and_nothing_else(
    kind: str, tmp_path: Path, changes: list[tuple[float, int]], keep: float
) -> None:
    data = bytearray(packed(kind, FILES))
    for where, value in changes:
        data[int(where * (len(data) - 1))] = value
    path = written(tmp_path, bytes(data[: int(keep * len(data))]))
    limits = Limits(unpacked_max_bytes=2**24)
    try:
        with open_archive(path, limits, tmp_path) as archive:
            read_all(archive)
    except RejectedError as error:
        assert error.problems[0]["code"]
