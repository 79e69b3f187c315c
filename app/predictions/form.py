"""A prediction's form: cut up in memory when it is small, streamed to storage when it is not."""

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from app.disk import check_floor
from app.errors import BadRequest, TooLarge, Unprocessable
from app.multipart import Form, Wanted, check_head, joined, receive
from app.storage import Sink

MEMORY_MAX_BYTES = 32 << 20  # a form up to this size never touches storage
HEADERS_MAX_BYTES = 8192  # of one part
FIELD_MAX_BYTES = 256
FILE = "file"
FIELDS = (
    "deployment", "model_id", "operating_point", "spacing_mm", "roi_px", "stride", "annotated",
    "series_uid",
)  # fmt: skip

_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:\s*form-data\s*", re.IGNORECASE | re.MULTILINE)
_PARAMETER = re.compile(rb';[ \t]*([\w*-]+)[ \t]*=[ \t]*(?:"((?:[^"\\\r\n]|\\.)*)"|([^;\s]*))')


@dataclass(frozen=True)
class Taken:
    """What came. `data` is the file, or None if it went to storage under the request's object."""

    fields: Mapping[str, str]
    data: bytes | None
    streamed_digest: str | None = None

    def digest(self) -> str:
        """SHA-256 over fields and file, by which an Idempotency-Key tells forms apart."""
        if self.data is None:
            return self.streamed_digest or ""
        return Form(self.fields, len(self.data), hashlib.sha256(self.data).hexdigest()).digest


async def take(
    stream: AsyncIterator[bytes],
    headers: Mapping[str, str],
    max_bytes: int,
    writer: Callable[[], AbstractContextManager[Sink]],
) -> Taken:
    """Reads the form to its end; `writer` opens the object for a file too large for memory.

    streaming-form-data reads 0.1 MB per millisecond here, which a small image cannot afford
    (DESIGN, trap 13): forms that fit in memory are searched for their boundary instead.
    """
    wanted = Wanted(file=FILE, fields=FIELDS, max_bytes=max_bytes, check_disk=check_floor)
    check_head(headers, wanted)
    length = headers.get("content-length", "")
    if not length.isdigit() or int(length) > MEMORY_MAX_BYTES:
        form = await receive(stream, headers, wanted, writer())
        return Taken(form.fields, None, form.digest)
    return whole(await joined(stream), headers["content-type"], max_bytes)


def whole(body: bytes, content_type: str, max_bytes: int) -> Taken:
    """A complete form. Raises a Problem for anything that is not the form of a prediction."""
    data: bytes | None = None
    fields: dict[str, str] = {}
    for name, content in parts(body, content_type):
        if name == FILE and data is None:
            data = content
        elif name not in (FILE, *FIELDS):
            raise invalid(name[:64], f"unknown field; the form has {', '.join((FILE, *FIELDS))}")
        elif name == FILE or name in fields:
            raise invalid(name, "the field was given twice")
        else:
            fields[name] = _text(name, content)
    if data is None:
        raise invalid(FILE, "the file is missing")
    if len(data) > max_bytes:
        raise TooLarge(f"{FILE} is larger than the limit of {max_bytes} bytes")
    return Taken(fields, data)


def parts(body: bytes, content_type: str) -> list[tuple[str, bytes]]:
    """The parts of a form (RFC 7578) as (name, content), in the order they came."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _malformed()
    dashed = b"--" + (found[1] or found[2]).encode()
    at = 0 if body.startswith(dashed) else body.find(b"\r\n" + dashed) + 2
    if at == 1:
        raise _malformed()
    taken: list[tuple[str, bytes]] = []
    while not body.startswith(b"--", after := at + len(dashed)):
        start = body.find(b"\r\n\r\n", after, after + HEADERS_MAX_BYTES)
        end = body.find(b"\r\n" + dashed, start + 4)
        if start < 0 or end < 0:
            raise _malformed()
        taken.append((_name(body[after + 2 : start]), body[start + 4 : end]))
        at = end + 2
    return taken


def _name(head: bytes) -> str:
    disposition = _DISPOSITION.search(head)
    if disposition is None:
        raise _malformed()
    for key, quoted, token in _PARAMETER.findall(head, disposition.end()):
        if key.lower() == b"name":
            return str(quoted or token, "utf-8", "replace")
    raise _malformed()


def _text(name: str, content: bytes) -> str:
    if len(content) > FIELD_MAX_BYTES:
        raise invalid(name, f"the field is longer than {FIELD_MAX_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise invalid(name, "the field is not UTF-8 text") from error


def _malformed() -> BadRequest:
    return BadRequest("malformed_form", "the multipart body is broken or ends too early")


def invalid(name: str, detail: str) -> Unprocessable:
    return Unprocessable(
        "invalid", f"{name}: {detail}", [{"pointer": f"#/{name}", "detail": detail}]
    )
