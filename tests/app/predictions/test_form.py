"""The form cut up in memory, and that the streaming parser reads the same of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import contextmanager, nullcontext
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from app.errors import Problem
from app.predictions import form
from app.predictions.form import take, whole

KIND = 'multipart/form-data; boundary="b-1"'


def body(*parts: tuple[str, bytes], end: bytes = b"--b-1--\r\n", preamble: bytes = b"") -> bytes:
    cut = [
        b"--b-1\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + data + b"\r\n"
        for head, data in parts
    ]
    return preamble + b"".join(cut) + end


def streamed(data: bytes, chunk: int, length: bool) -> tuple[dict[str, str], bytes]:
    """What `take` makes of a body that arrives in chunks; the file from wherever it went."""
    kept = BytesIO()

    @contextmanager
    def writer():
        yield kept

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), chunk):
            yield data[at : at + chunk]

    headers = {"content-type": KIND} | ({"content-length": str(len(data))} if length else {})
    taken = asyncio.run(take(chunks(), headers, 1000, writer))
    return dict(taken.fields), kept.getvalue() if taken.data is None else taken.data


FILE = ('name="file"; filename="a.png"\r\nContent-Type: image/png', b"\x00\r\n--b-\xff")


def test_file_and_fields_come_apart_in_any_order() -> None:
    fields = ('name="roi_px"', b"0,0,8,8"), ("name=deployment", b"left")
    for parts in ((FILE, *fields), (*fields, FILE), (fields[0], FILE, fields[1])):
        taken = whole(body(*parts), KIND, 1000)
        assert taken.data == FILE[1]
        assert taken.fields == {"roi_px": "0,0,8,8", "deployment": "left"}


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_a_streamed_form_reads_the_same(chunk: int) -> None:
    data = body(('name="model_id"', b"mdl_1"), FILE)
    in_memory = streamed(data, chunk, length=True)
    to_storage = streamed(data, chunk, length=False)
    assert in_memory == to_storage == ({"model_id": "mdl_1"}, FILE[1])


def test_both_roads_give_a_form_one_digest() -> None:
    data = body(('name="model_id"', b"mdl_1"), FILE)
    taken = whole(data, KIND, 1000)

    @contextmanager
    def writer():
        yield BytesIO()

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    stored = asyncio.run(take(chunks(), {"content-type": KIND}, 1000, writer))
    assert stored.data is None
    assert stored.digest() == taken.digest()
    assert whole(body(FILE), KIND, 1000).digest() != taken.digest()


def test_a_client_that_leaves_is_no_bug_on_either_road() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"--b-1\r\n"
        raise ClientDisconnect

    for headers in ({"content-length": "500"}, {}):
        with pytest.raises(Problem) as caught:
            asyncio.run(
                take(
                    broken(),
                    {"content-type": KIND, **headers},
                    1000,
                    lambda: nullcontext(BytesIO()),
                )
            )
        assert (caught.value.status, caught.value.code) == (400, "client_left")


def test_a_preamble_is_skipped() -> None:
    assert whole(body(FILE, preamble=b"hello\r\n"), KIND, 1000).data == FILE[1]


def test_a_file_name_cannot_pose_as_a_field_name() -> None:
    evil = ('filename="x; name=\\"roi_px\\""; name="file"', b"data")
    assert whole(body(evil), KIND, 1000).data == b"data"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a form",
        body(FILE, end=b""),
        body(FILE)[: len(body(FILE)) // 2],
        b"--b-1\r\n\r\nno headers\r\n--b-1--",
        b"--b-1\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--b-1--",
        b"--b-1\r\nX: " + b"y" * (form.HEADERS_MAX_BYTES + 1) + b"\r\n\r\n\r\n--b-1--",
    ],
    ids=range(7),
)
def test_a_broken_form_is_refused(data: bytes) -> None:
    with pytest.raises(Problem) as caught:
        whole(data, KIND, 1000)
    assert (caught.value.status, caught.value.code) == (400, "malformed_form")


@pytest.mark.parametrize(
    ("parts", "status", "pointer"),
    [
        ([('name="roi_px"', b"1")], 422, "#/file"),
        ([FILE, FILE], 422, "#/file"),
        ([FILE, ('name="roi_px"', b"1"), ('name="roi_px"', b"2")], 422, "#/roi_px"),
        ([FILE, ('name="hue"', b"1")], 422, "#/hue"),
        ([FILE, ('name="roi_px"', b"\xff\xfe")], 422, "#/roi_px"),
        ([FILE, ('name="roi_px"', b"1" * 300)], 422, "#/roi_px"),
    ],
    ids=range(6),
)
def test_what_is_wrong_with_a_form_is_named(
    parts: list[tuple[str, bytes]], status: int, pointer: str
) -> None:
    with pytest.raises(Problem) as caught:
        whole(body(*parts), KIND, 1000)
    assert caught.value.status == status
    assert caught.value.errors[0]["pointer"] == pointer


def test_a_file_beyond_the_limit_is_too_large_on_both_roads() -> None:
    data = body(('name="file"', b"x" * 1001))
    for length in (True, False):
        with pytest.raises(Problem) as caught:
            streamed(data, 100, length)
        assert caught.value.status == 413


@given(st.binary(max_size=200))
def test_any_bytes_survive_the_form(data: bytes) -> None:
    if b"--b-1" in data:
        return
    assert whole(body(('name="file"', data)), KIND, 1000).data == data


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    try:
        whole(b"--b-1\r\n" + data, KIND, 1000)
    except Problem as problem:
        assert problem.status in (400, 422)
