"""Foreign bytes, as Hypothesis draws them: a sound file hurt in a few places, or no file at all."""

import io
import zipfile
from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

Files = Mapping[str, bytes]
HURT_MAX = 6  # places
PIECE_MAX = 64  # bytes cut, repeated or overwritten at once
# What lengths, counts and offsets are not meant to be, in either order of bytes.
NUMBERS = tuple(
    value.to_bytes(size, order, signed=value < 0)
    for size in (1, 2, 4, 8)
    for value in (0, 1, -1, 2 ** (8 * size - 1) - 1, -(2 ** (8 * size - 1)))
    for order in ("little", "big")
)
WORDS = (
    b"nan", b"-1", b"1e999", b"99999999999999999999", b'"', b"[", b"{", b",", b";", b"\n", b"\x00",
    b"\xff\xfe", b"\xed\xa0\x80", b"../../etc/passwd", b"null", b"&a [*a]",
)  # fmt: skip
# Small wounds are the commonest: they are the ones that get past the first look at a file.
ACTS = ("flip",) * 4 + ("number",) * 4 + ("word", "noise", "cut", "repeat", "move", "end")


@st.composite
def hurt(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """One of the samples with bytes flipped, overwritten, cut, inserted, repeated or moved."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 2, 3, HURT_MAX)))):
        _hurt(draw, data)
    return bytes(data)


def _hurt(draw: st.DrawFn, data: bytearray) -> None:
    act = draw(st.sampled_from(ACTS))
    # Headers lie at the start: half of all wounds do too.
    near = draw(st.booleans())
    at = draw(st.integers(0, min(len(data), 512) if near else len(data)))
    size = draw(st.integers(1, PIECE_MAX))
    piece = bytes(data[at : at + size])
    if act == "flip":
        data[at : at + 1] = bytes(byte ^ (1 << size % 8) for byte in piece[:1])
    elif act == "number":
        number = draw(st.sampled_from(NUMBERS))
        data[at : at + len(number)] = number
    elif act == "word":
        data[at:at] = draw(st.sampled_from(WORDS))
    elif act == "noise":
        data[at : at + size] = draw(st.binary(max_size=8))
    else:
        _rearrange(draw, act, data, at, piece)


def _rearrange(draw: st.DrawFn, act: str, data: bytearray, at: int, piece: bytes) -> None:
    if act == "end":
        del data[at:]
    elif act == "repeat":
        data[at:at] = piece * draw(st.integers(1, 64))
    else:
        del data[at : at + len(piece)]
        if act == "move":
            to = draw(st.integers(0, len(data)))
            data[to:to] = piece


def foreign(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Hurt samples, and now and then bytes that were never a file, or begin as one."""
    raw = st.binary(max_size=400)
    begun = st.builds(lambda sample, rest: sample[:16] + rest, st.sampled_from(samples), raw)
    return st.one_of(hurt(samples), hurt(samples), hurt(samples), begun, raw)


@st.composite
def trees(draw: st.DrawFn, samples: Sequence[Files]) -> dict[str, bytes]:
    """The files of an upload, one or two of them hurt, lost, or under a name of another."""
    files = dict(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 2))):
        texts = [name for name in files if name.endswith((".csv", ".json", ".txt", ".yaml"))]
        name = draw(st.sampled_from(texts if texts and draw(st.booleans()) else sorted(files)))
        act = draw(st.sampled_from(("hurt", "hurt", "hurt", "foreign", "lose", "swap")))
        if act == "hurt":
            files[name] = draw(hurt([files[name]]))
        elif act == "foreign":
            files[name] = draw(st.binary(max_size=200))
        elif act == "lose" and len(files) > 1:
            del files[name]
        else:
            files[name] = files[draw(st.sampled_from(sorted(files)))]
    return files


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
