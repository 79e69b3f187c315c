"""Masks become label maps by the rules of the contract."""

import io

import numpy as np
import pytest
from PIL import Image

from models.imaging.frames import UnreadableError
from models.imaging.masks import read_mask
from tests.models.ingest.uploads import mask, pixels, saved


def values(data: bytes) -> list[int]:
    return [int(value) for value in np.unique(read_mask(data, 10_000))]


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableError) as caught:
        read_mask(data, 10_000)
    return caught.value.code


@pytest.mark.parametrize("stripes", [(0, 255), (255, 0, 255)])
def test_black_and_white_is_binary(stripes: tuple[int, ...]) -> None:
    found = read_mask(mask(*stripes), 10_000)
    assert found[0, 0] == (1 if stripes[0] else 0)
    assert sorted(np.unique(found)) == [0, 1]


def test_a_jpeg_mask_is_binary_at_127_whatever_its_noise() -> None:
    grey = np.full((32, 32), 20, np.uint8)
    grey[:, 16:] = 140
    found = read_mask(saved(Image.fromarray(grey), "JPEG"), 10_000)
    assert found[:, :15].max() == 0
    assert found[:, 17:].min() == 1


def test_few_values_are_class_indices() -> None:
    assert values(mask(0, 1, 2, 7)) == [0, 1, 2, 7]


def test_a_palette_png_holds_class_indices_and_not_its_colours() -> None:
    image = Image.fromarray(np.tile(np.repeat(np.array([0, 1, 2, 2], np.uint8), 8), (32, 1)), "P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    assert values(saved(image)) == [0, 1, 2]


def test_grey_in_three_channels_and_one_bit_are_masks_too() -> None:
    grey = Image.open(io.BytesIO(mask(0, 255)))
    assert values(saved(grey.convert("RGB"))) == [0, 1]
    assert values(saved(grey.convert("RGBA"))) == [0, 1]
    assert values(saved(grey.convert("LA"))) == [0, 1]
    assert values(saved(grey.convert("1"))) == [0, 1]


def test_a_colour_picture_is_no_mask() -> None:
    assert refusal(saved(Image.fromarray(pixels(1)))) == "bad_mask"


def test_more_than_32_grey_levels_are_no_mask() -> None:
    assert values(mask(*range(32))) == list(range(32))
    assert refusal(mask(*range(33), side=33)) == "bad_mask"


def test_class_indices_beyond_a_byte_are_no_mask() -> None:
    deep = np.zeros((16, 16), np.uint16)
    deep[0] = 300
    assert refusal(saved(Image.fromarray(deep))) == "bad_mask"


def test_an_empty_mask_has_no_class() -> None:
    assert values(mask(0)) == [0]


def test_a_truncated_mask_is_damaged() -> None:
    data = saved(Image.fromarray(np.kron(np.eye(8, dtype=np.uint8), np.ones((9, 9), np.uint8))))
    assert refusal(data[: len(data) // 2]) in ("damaged_image", "not_an_image")
