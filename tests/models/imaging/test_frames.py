"""One decoder for all images: odd ones are converted and noted, absurd ones refused by header."""

import io
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from models.imaging.frames import UnreadableError, decode, examine, stretched
from models.imaging.plain import plain_bytes
from tests.models.ingest.uploads import picture, pixels, saved

SECRET = b"DOE^JANE"
SCENE = pixels(1)
IMAGE = Image.fromarray(SCENE)


def refusal(data: bytes, max_pixels: int = 100_000_000) -> str:
    with pytest.raises(UnreadableError) as caught:
        decode(data, max_pixels)
    assert caught.value.detail
    return caught.value.code


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds hardly a pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_plain_rgb_is_read_as_it_is(format: str) -> None:
    found, notes = decode(saved(IMAGE, format))
    assert np.array_equal(found, SCENE)
    assert notes == ()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "BMP"])
def test_grey_has_three_equal_channels(format: str) -> None:
    found, notes = decode(saved(IMAGE.convert("L"), format))
    assert found.shape == (32, 32, 3)
    assert (found[..., :1] == found).all()
    assert notes == ()


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_a_lossy_picture_is_near_what_it_was(format: str) -> None:
    found, notes = decode(saved(IMAGE, format, quality=95))
    assert np.abs(found.astype(int) - SCENE).mean() < 8
    assert notes == ()


def test_cmyk_becomes_rgb() -> None:
    found, notes = decode(saved(IMAGE.convert("CMYK"), "JPEG", quality=98))
    assert notes == ("converted_cmyk",)
    assert np.abs(found.astype(int) - SCENE).mean() < 8


def test_sixteen_bit_grey_is_stretched_from_its_own_range() -> None:
    values = np.linspace(1000, 3040, 32 * 32).reshape(32, 32).astype(np.uint16)  # 12 bits in 16
    found, notes = decode(saved(Image.fromarray(values)))
    assert notes == ("converted_16_bit",)
    assert (found[0, 0, 0], found[-1, -1, 0]) == (0, 255)
    assert found[16, 0, 0] == round((int(values[16, 0]) - 1000) * 255 / 2040)


def test_sixteen_bit_colour_keeps_what_its_low_bytes_say() -> None:
    values = np.zeros((16, 16, 3), np.uint16)
    values[:, 8:, 2] = 200  # red, in OpenCV's order; all of it in the low byte
    found, notes = decode(cv2.imencode(".png", values)[1].tobytes())
    assert notes == ("converted_16_bit",)
    assert found[0, 0].tolist() == [0, 0, 0]
    assert found[0, 8].tolist() == [255, 0, 0]


def test_a_float_tiff_is_stretched_and_its_nan_is_black() -> None:
    values = np.linspace(-1, 1, 256, dtype=np.float32).reshape(16, 16)
    values[3, 3] = np.nan
    found, _ = decode(saved(Image.fromarray(values), "TIFF"))
    assert (found[0, 0, 0], found[3, 3, 0], found[-1, -1, 0]) == (0, 0, 255)


def test_stretching_by_strips_is_stretching_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (37, 20, 4)).astype(np.uint16)
    whole = stretched(values)
    monkeypatch.setattr("models.imaging.frames.STRIP", 5)
    assert np.array_equal(stretched(values), whole)
    over = values[..., :3].astype(np.float32) * values[..., 3:]
    wanted = np.rint((over - over.min()) * (255 / (over.max() - over.min())))
    assert np.array_equal(whole, wanted.astype(np.uint8))


def test_deep_channels_count_for_what_they_weigh() -> None:
    small = cv2.imencode(".png", np.zeros((100, 100, 4), np.uint16))[1].tobytes()
    assert decode(small, 27_000)[0].shape == (100, 100, 3)  # 80 kB, as much as 27,000 plain pixels
    with pytest.raises(UnreadableError, match="of 16 bits") as caught:
        decode(small, 26_000)
    assert caught.value.code == "too_large"


def test_a_constant_deep_image_is_black() -> None:
    assert stretched(np.full((2, 2), 700, np.float32)).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("format", ["GIF", "PNG", "TIFF", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(format: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("#ff0000", "#0000ff")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
    found, notes = decode(data)
    assert "first_frame_only" in notes
    assert found[8, 8].tolist() == [255, 0, 0]


def test_a_palette_is_looked_up() -> None:
    image = Image.new("P", (16, 16), 3)
    image.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2, 10, 20, 30])
    found, notes = decode(saved(image))
    assert notes == ("palette_flattened",)
    assert found[0, 0].tolist() == [10, 20, 30]


def test_transparency_is_laid_over_black() -> None:
    image = Image.new("RGBA", (16, 16), (200, 100, 50, 0))
    image.paste((200, 100, 50, 255), (8, 0, 16, 16))
    found, notes = decode(saved(image))
    assert notes == ("alpha_flattened",)
    assert found[0, 0].tolist() == [0, 0, 0]
    assert found[0, 8].tolist() == [200, 100, 50]


def test_one_bit_is_black_and_white() -> None:
    image = Image.new("1", (16, 16), 0)
    image.paste(1, (8, 0, 16, 16))
    found, _ = decode(saved(image))
    assert (found[0, 0, 0], found[0, 8, 0]) == (0, 255)


def oriented(orientation: int, array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What a viewer shows for the stored array, by EXIF's table of where row and column 0 are."""
    return {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.transpose(1, 0, 2),
        6: np.rot90(array, -1),
        7: array[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(array, 1),
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_a_picture_is_turned_upright_as_its_exif_says(format: str, orientation: int) -> None:
    stored = pixels(5, 48)[:32]  # not square, so that a wrong turn shows
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(stored), format, exif=exif)
    plain, _ = decode(saved(Image.fromarray(stored), format))
    found, notes = decode(data)
    assert np.array_equal(found, oriented(orientation, plain))
    assert notes == (() if orientation == 1 else ("exif_rotated",))


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_deep_colour_tiff_is_turned_upright_too(orientation: int) -> None:
    stored = np.arange(16 * 12 * 3, dtype=np.uint16).reshape(16, 12, 3) * 60
    data = cv2.imencode(".tiff", stored)[1].tobytes()
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    tags = [data[start + 2 + 12 * k :][:12] for k in range(count)]
    tags.append(struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0))
    directory = struct.pack("<H", count + 1) + b"".join(sorted(tags)) + bytes(4)
    turned = data[:4] + struct.pack("<I", len(data)) + data[8:] + directory
    plain, _ = decode(data)
    found, notes = decode(turned)
    assert notes == ("converted_16_bit", "exif_rotated")
    assert np.array_equal(found, oriented(orientation, plain))


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
def test_a_picture_of_a_few_pixels_is_too_small(size: tuple[int, int]) -> None:
    assert refusal(saved(Image.new("RGB", size))) == "too_small"


def test_a_picture_of_eight_pixels_is_read() -> None:
    assert decode(saved(Image.new("RGB", (8, 8))))[0].shape == (8, 8, 3)


def test_a_picture_of_40000_pixels_a_side_is_refused_by_its_header() -> None:
    assert refusal(png_of(40_000, 40_000)) == "too_large"
    assert refusal(picture(1), max_pixels=32 * 32 - 1) == "too_large"


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "empty_file"), (b"a text called a.png", "not_an_image"), (bytes(99), "not_an_image")],
)  # fmt: skip
def test_what_is_no_picture_is_told_apart(data: bytes, code: str) -> None:
    assert refusal(data) == code


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "BMP"])
def test_a_truncated_picture_is_damaged(format: str) -> None:
    whole = picture(3, 200, format)
    assert refusal(whole[: len(whole) * 2 // 3]) == "damaged_image"


def test_a_picture_under_the_wrong_suffix_is_what_it_is() -> None:
    assert examine(picture(1, format="JPEG"), 10_000).format == "JPEG"  # no name is asked for


def with_secrets(format: str) -> bytes:
    """A picture whose EXIF, comments, XMP and tail all name a patient."""
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    if format == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", SECRET.decode())
        info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        return saved(IMAGE, "PNG", exif=exif, pnginfo=info) + SECRET
    data = saved(IMAGE, "JPEG", exif=exif, comment=SECRET, progressive=True, quality=90)
    return data + SECRET


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_what_is_kept_of_a_picture_is_its_pixels_and_no_name(format: str) -> None:
    data = with_secrets(format)
    assert data.count(SECRET) >= 2
    shown, _ = decode(data)
    kept, suffix = plain_bytes(data, shown, 10_000)
    assert SECRET not in kept
    assert suffix == {"PNG": "png", "JPEG": "jpg"}[format]
    assert len(kept) <= len(data)
    assert np.array_equal(decode(kept)[0], shown)


def test_a_plain_picture_is_kept_byte_for_byte() -> None:
    data = picture(2)
    assert plain_bytes(data, decode(data)[0], 10_000) == (data, "png")


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "P", "LA", "1", "I;16"])
def test_an_odd_picture_is_kept_as_a_png_of_what_was_read(mode: str) -> None:
    image = (
        Image.fromarray(SCENE[..., 0].astype(np.uint16) * 200)
        if mode == "I;16"
        else IMAGE.convert("L").convert(mode)
    )
    data = saved(image, "TIFF" if mode == "CMYK" else "PNG")
    shown, _ = decode(data)
    kept, suffix = plain_bytes(data, shown, 10_000)
    again, notes = decode(kept)
    assert (suffix, notes) == ("png", ())
    assert np.array_equal(again, shown)


SEEDS = [
    picture(1), picture(1, format="JPEG"), with_secrets("JPEG"), with_secrets("PNG"),
    picture(1, format="TIFF"), picture(1, format="GIF"), picture(1, format="BMP"),
    picture(1, format="WEBP"), saved(IMAGE.convert("CMYK"), "JPEG"),
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    data=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    keep=st.floats(0.3, 1),
)
def test_a_damaged_picture_is_read_or_refused_and_nothing_else(
    data: bytes, changes: list[tuple[float, int]], keep: float
) -> None:
    damaged = bytearray(data)
    for where, value in changes:
        damaged[int(where * (len(data) - 1))] = value
    tested = bytes(damaged[: int(keep * len(damaged))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of damage that it then reads over
        try:
            found, _ = decode(tested, 10_000)
        except UnreadableError as error:
            assert error.code
            return
        kept, _ = plain_bytes(tested, found, 10_000)
        assert decode(kept, 10_000)[0].shape == found.shape


def test_a_text_chunk_that_is_a_bomb_is_no_danger() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "b" * 80_000_000, zip=True)
    out = io.BytesIO()
    IMAGE.save(out, "PNG", pnginfo=info)
    assert refusal(out.getvalue()) in ("not_an_image", "damaged_image")
