"""Files in an S3-compatible bucket: streamed up in parts, read by ranges."""

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NotReachedError

from app.storage.folder import CHUNK, Tick, checked, copied, in_chunks, quiet
from models.locking import locked

PART = 16 * 2**20  # S3 wants 5 MiB or more, and at most 10,000 parts: 160 GB
RETRIES = {"mode": "standard", "max_attempts": 4}
BROKEN = 500  # an HTTP status from here on is the store's fault
UNUSED_S = 86_400  # a local copy that nobody asked for in a day is given up
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


class AwayError(OSError):
    """The store does not answer, or answers that it cannot: later it may."""


@contextmanager
def _asked(name: str) -> Iterator[None]:
    """Around a question to the store: what its errors mean here."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in MISSING:
            raise FileNotFoundError(f"no object {name!r} in the bucket") from error
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= BROKEN:
            raise AwayError(f"the file store cannot answer for {name!r}") from error
        raise
    except (NotReachedError, HTTPClientError, IncompleteReadError) as error:
        raise AwayError(f"the file store does not answer for {name!r}") from error


class Upload:
    """A multipart upload in the making; memory holds one part at a time."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client, self._where = client, {"Bucket": bucket, "Key": key}
        self._buffer = bytearray()
        self._id: str | None = None
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes, /) -> int:
        with _asked(self._where["Key"]):
            return self._write(data)

    def _write(self, data: bytes) -> int:
        self._buffer += data
        while len(self._buffer) >= PART:
            self._send(bytes(self._buffer[:PART]))
            del self._buffer[:PART]
        return len(data)

    def _send(self, part: bytes) -> None:
        if self._id is None:
            self._id = self._client.create_multipart_upload(**self._where)["UploadId"]
        number = len(self._parts) + 1
        sent = self._client.upload_part(
            **self._where, UploadId=self._id, PartNumber=number, Body=part
        )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def keep(self) -> None:
        if self._id is None:  # small: one plain put
            self._client.put_object(**self._where, Body=bytes(self._buffer))
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        self._client.complete_multipart_upload(
            **self._where, UploadId=self._id, MultipartUpload={"Parts": self._parts}
        )

    def discard(self) -> None:
        if self._id is not None:
            self._client.abort_multipart_upload(**self._where, UploadId=self._id)


class Bucket:
    def __init__(self, bucket: str, prefix: str, scratch: Path, endpoint: str = "") -> None:
        self.bucket, self.prefix, self.scratch = bucket, prefix, scratch
        self._endpoint = endpoint or None

    @cached_property
    def client(self) -> Any:
        """One client per process: boto3's clients are safe to share between threads."""
        config = Config(connect_timeout=5, read_timeout=60, retries=RETRIES)
        return boto3.client("s3", endpoint_url=self._endpoint, config=config)

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{checked(name)}" if self.prefix else checked(name)

    def _where(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self._key(name)}

    @contextmanager
    def writer(self, name: str) -> Iterator[Upload]:
        upload = Upload(self.client, self.bucket, self._key(name))
        try:
            yield upload
            with _asked(name):
                upload.keep()
        except BaseException:
            with suppress(BotoCoreError, ClientError):  # the store may be what failed
                upload.discard()
            raise

    def put_file(self, name: str, path: Path, tick: Tick = quiet) -> None:
        with self.writer(name) as sink:
            copied(in_chunks(path.open("rb")), sink, tick)

    def put_bytes(self, name: str, data: bytes) -> None:
        with self.writer(name) as sink:
            sink.write(data)

    def get_bytes(self, name: str) -> bytes:
        return b"".join(self.open(name))

    def open(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        size = self.size(name)
        stop = size if end is None else min(end, size)
        if start >= stop:
            return iter(())
        with _asked(name):
            found = self.client.get_object(**self._where(name), Range=f"bytes={start}-{stop - 1}")
        return _chunks(found["Body"], name)

    def size(self, name: str) -> int:
        with _asked(name):
            return int(self.client.head_object(**self._where(name))["ContentLength"])

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        self._copy(name).unlink(missing_ok=True)
        with _asked(name):
            self.client.delete_object(**self._where(name))

    def names(self, prefix: str = "") -> Iterator[str]:
        start = f"{self.prefix}/" if self.prefix else ""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=start + prefix
        )
        with _asked(prefix):
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(start)

    def tidy(self) -> None:
        """Multipart uploads without an end are the bucket's to abort, by a lifecycle rule."""

    def _copy(self, name: str) -> Path:
        known_as = hashlib.sha256(self._key(name).encode()).hexdigest()
        return self.scratch / (known_as + Path(name).suffix)

    def local(self, name: str, tick: Tick = quiet) -> Path:
        """Objects are immutable by name, so one download serves for as long as it is used, and all
        who want it at once: a page of thumbnails wants its pack a dozen times.
        """
        path = self._copy(name)
        with suppress(FileNotFoundError):
            os.utime(path)
            return path
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._forget_unused()
        with locked(path.with_name(f"{path.name}.lock"), tick):
            return path if path.is_file() else self._download(name, path, tick)

    def _download(self, name: str, path: Path, tick: Tick) -> Path:
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
        try:
            with part.open("xb") as file:
                copied(self.open(name), file, tick)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def _forget_unused(self) -> None:
        for copy in self.scratch.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - copy.stat().st_mtime > UNUSED_S:
                    copy.unlink()


def _chunks(body: Any, name: str) -> Iterator[bytes]:
    try:
        with _asked(name):
            yield from body.iter_chunks(CHUNK)
    finally:
        body.close()
