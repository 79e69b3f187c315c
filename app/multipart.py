"""Multipart forms read as they arrive: one file straight to its sink, small fields beside it."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import anyio
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect
from streaming_form_data import ParseFailedException, StreamingFormDataParser  # type: ignore[import-untyped]
from streaming_form_data.parser import UnexpectedPartException  # type: ignore[import-untyped]
from streaming_form_data.targets import BaseTarget  # type: ignore[import-untyped]

from app.errors import BadRequest, TooLarge, Unprocessable, UnsupportedMedia
from app.storage import Sink

BLOCK_BYTES = 1 << 20  # what is handed to a thread at once: more costs memory, less costs hops
FIELD_MAX_BYTES = 4096
ROOM_BYTES = 1 << 16  # what a form may weigh beside its file


@dataclass(frozen=True)
class Form:
    """What came: the small fields as text, and the file's size and digest."""

    fields: Mapping[str, str]
    file_bytes: int
    file_sha256: str  # hex

    @property
    def digest(self) -> str:
        """SHA-256 over fields and file: two forms of one digest ask for the same thing."""
        parts = [f"{name}={value}" for name, value in sorted(self.fields.items())]
        return hashlib.sha256("\n".join([*parts, self.file_sha256]).encode()).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """The form a route expects.

    `check_disk` is asked every `check_disk_bytes` and raises where the disk is too full;
    `begin` sees the fields that came before the file, and may refuse them by raising.
    """

    file: str
    fields: Sequence[str]
    max_bytes: int
    check_disk: Callable[[], None] = lambda: None
    begin: Callable[[Mapping[str, str]], None] = lambda _: None
    check_disk_bytes: int = field(default=64 << 20)  # how often the disk is looked at


class _Field(BaseTarget):  # type: ignore[misc]  # the package has no types
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.value = name, b""

    def on_start(self) -> None:
        if self._finished:
            detail = "the field was given twice"
            raise Unprocessable("invalid", detail, [_error(self.name, detail)])

    def on_data_received(self, chunk: bytes) -> None:
        self.value += chunk
        if len(self.value) > FIELD_MAX_BYTES:
            detail = f"the field is longer than {FIELD_MAX_BYTES} bytes"
            raise Unprocessable("invalid", detail, [_error(self.name, detail)])

    @property
    def finished(self) -> bool:
        return bool(self._finished)


class _File(BaseTarget):  # type: ignore[misc]  # the package has no types
    def __init__(self, wanted: Wanted, sink: Sink, fields: Sequence[_Field]) -> None:
        super().__init__()
        self.wanted, self.sink, self.fields = wanted, sink, fields
        self.bytes, self.looked, self.sha = 0, 0, hashlib.sha256()

    def on_start(self) -> None:
        if self._finished:
            detail = "the field was given twice"
            raise Unprocessable("invalid", detail, [_error(self.wanted.file, detail)])
        self.wanted.begin(_texts(self.fields))
        self.wanted.check_disk()

    def on_data_received(self, chunk: bytes) -> None:
        self.bytes += len(chunk)
        if self.bytes > self.wanted.max_bytes:
            raise _too_large(self.wanted)
        if self.bytes - self.looked >= self.wanted.check_disk_bytes:
            self.looked = self.bytes
            self.wanted.check_disk()
        self.sha.update(chunk)
        self.sink.write(chunk)

    @property
    def begun(self) -> bool:
        return bool(self._started)

    @property
    def finished(self) -> bool:
        return bool(self._finished)


def _error(name: str, detail: str) -> dict[str, str]:
    return {"pointer": f"#/{name}", "detail": detail}


def _too_large(wanted: Wanted) -> TooLarge:
    return TooLarge(f"{wanted.file} is larger than the limit of {wanted.max_bytes} bytes")


def _texts(fields: Sequence[_Field]) -> dict[str, str]:
    """The finished fields. Raises Unprocessable for bytes that are not UTF-8."""
    found = {}
    for one in fields:
        if not one.finished:
            continue
        try:
            found[one.name] = one.value.decode()
        except UnicodeDecodeError as error:
            detail = "the field is not UTF-8 text"
            raise Unprocessable("invalid", detail, [_error(one.name, detail)]) from error
    return found


class Reader:
    """Takes the bytes of a form block by block and sends its file on to the sink."""

    def __init__(self, headers: Mapping[str, str], wanted: Wanted, sink: Sink) -> None:
        self._fields = [_Field(name) for name in wanted.fields]
        self._file = _File(wanted, sink, self._fields)
        self._wanted = wanted
        try:
            self._parser = StreamingFormDataParser(headers, strict=True)
        except ParseFailedException as error:
            raise UnsupportedMedia("send multipart/form-data with a boundary") from error
        for target in self._fields:
            self._parser.register(target.name, target)
        self._parser.register(wanted.file, self._file)

    def feed(self, block: bytes) -> None:
        """Raises a Problem for anything that is not the form that is wanted."""
        try:
            self._parser.data_received(block)
        except UnexpectedPartException as error:
            name = str(error.part_name)[:64]
            known = ", ".join([self._wanted.file, *self._wanted.fields])
            detail = f"unknown field; the form has {known}"
            raise Unprocessable("invalid", detail, [_error(name, detail)]) from error
        except ParseFailedException as error:
            raise _malformed() from error

    def finish(self) -> Form:
        """What came. Raises if the file is missing or the form broke off."""
        if not self._file.begun:
            detail = "the file is missing"
            raise Unprocessable("invalid", detail, [_error(self._wanted.file, detail)])
        if not self._file.finished:
            raise _malformed()
        file = self._file
        return Form(_texts(self._fields), file.bytes, file.sha.hexdigest())


def _malformed() -> BadRequest:
    return BadRequest("malformed_form", "the multipart body is broken or ends too early")


async def _blocks(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held: list[bytes] = []
    size = 0
    try:
        async for chunk in stream:
            held.append(chunk)
            size += len(chunk)
            if size >= BLOCK_BYTES:
                yield b"".join(held)
                held, size = [], 0
    except ClientDisconnect as error:  # nobody is left to read this; it is no bug either
        raise BadRequest("client_left", "the upload broke off") from error
    if held:
        yield b"".join(held)


async def joined(stream: AsyncIterator[bytes]) -> bytes:
    """A small body, whole. Raises BadRequest if the client leaves before its end."""
    return b"".join([block async for block in _blocks(stream)])


def check_head(headers: Mapping[str, str], wanted: Wanted) -> None:
    """Refuses by the headers alone what cannot be the wanted form."""
    kind = headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data") or "boundary=" not in kind:
        raise UnsupportedMedia("send multipart/form-data with a boundary")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > wanted.max_bytes + ROOM_BYTES:
        raise _too_large(wanted)


async def receive(
    stream: AsyncIterator[bytes],
    headers: Mapping[str, str],
    wanted: Wanted,
    writer: AbstractContextManager[Sink],
    accept: Callable[[Form], None] = lambda _: None,
) -> Form:
    """Reads the form to its end, its file into `writer`'s sink, at constant memory.

    Whatever goes wrong - a refusal by `accept`, a client that leaves, a cancelled task - the
    writer sees the exception and keeps nothing. The work on bytes is done in threads.
    """
    check_head(headers, wanted)
    sink = await run_sync(writer.__enter__)
    try:
        reader = Reader(headers, wanted, sink)
        async for block in _blocks(stream):
            await run_sync(reader.feed, block)
        form = await run_sync(reader.finish)
        accept(form)
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            await run_sync(writer.__exit__, type(error), error, error.__traceback__)
        raise
    await run_sync(writer.__exit__, None, None, None)
    return form
