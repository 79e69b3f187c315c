"""Files in an S3-compatible bucket: streamed up in parts, read by ranges."""

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from app.storage.folder import CHUNK, checked

PART = 16 * 2**20  # S3 wants 5 MiB or more, and at most 10,000 parts: 160 GB
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


@contextmanager
def _missing(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in MISSING:
            raise FileNotFoundError(f"no object {name!r} in the bucket") from error
        raise


class Upload:
    """A multipart upload in the making; memory holds one part at a time."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client, self._where = client, {"Bucket": bucket, "Key": key}
        self._buffer = bytearray()
        self._id: str | None = None
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes, /) -> int:
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
        config = Config(
            connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 4}
        )
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
            upload.keep()
        except BaseException:
            upload.discard()
            raise

    def put_file(self, name: str, path: Path) -> None:
        with self.writer(name) as sink, path.open("rb") as source:
            shutil.copyfileobj(source, sink, CHUNK)

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
        with _missing(name):
            found = self.client.get_object(**self._where(name), Range=f"bytes={start}-{stop - 1}")
        return _chunks(found["Body"])

    def size(self, name: str) -> int:
        with _missing(name):
            return int(self.client.head_object(**self._where(name))["ContentLength"])

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        self.client.delete_object(**self._where(name))

    def names(self, prefix: str = "") -> Iterator[str]:
        start = f"{self.prefix}/" if self.prefix else ""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=start + prefix
        )
        for page in pages:
            for found in page.get("Contents", ()):
                yield found["Key"].removeprefix(start)

    def local(self, name: str) -> Path:
        """Objects are immutable by name, so one download serves for good."""
        known_as = hashlib.sha256(self._key(name).encode()).hexdigest()
        path = self.scratch / (known_as + Path(name).suffix)
        if path.is_file():
            return path
        self.scratch.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
        try:
            with part.open("xb") as file:
                for chunk in self.open(name):
                    file.write(chunk)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path


def _chunks(body: Any) -> Iterator[bytes]:
    try:
        yield from body.iter_chunks(CHUNK)
    finally:
        body.close()
