"""Near-duplicates are found through what cameras and exports do to a picture, and only they."""

import time

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.door.duplicates import NEXT_MAX, Pair, Thumbnails
from models.door.subjects import inseparable, subjects
from models.layout import Item
from tests.models.ingest.uploads import pixels

Pixels = NDArray[np.uint8]


def found(*pictures: Pixels) -> list[tuple[int, int]]:
    seen = Thumbnails()
    for picture in pictures:
        seen.add(picture)
    pairs = [(pair.first, pair.second) for pair in seen.pairs()]
    seen.close()
    return pairs


def jpeg(picture: Pixels) -> Pixels:
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))


CHANGES = {
    "same": lambda picture: picture,
    "recompressed": jpeg,
    "smaller": lambda picture: cv2.resize(picture, (90, 90), interpolation=cv2.INTER_AREA),
    "brighter": lambda picture: np.clip(picture.astype(int) * 0.8 + 30, 0, 255).astype(np.uint8),
    "noisy": lambda picture: np.clip(
        picture + np.random.default_rng(0).normal(0, 6, picture.shape), 0, 255
    ).astype(np.uint8),
    "moved": lambda picture: np.roll(picture, 1, axis=1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(change: str) -> None:
    original = pixels(1, 200)
    assert found(original, pixels(2, 200), CHANGES[change](original)) == [(0, 2)]


def test_pictures_of_their_own_are_no_duplicates() -> None:
    assert found(*(pixels(seed, 64) for seed in range(300))) == []


def test_dark_rings_that_agree_in_what_is_smooth_alone_are_no_duplicates() -> None:
    """As two out-of-focus frames of one endoscope: the same vignette, another content."""
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    vignette = (200 * np.exp(-2 * (x * x + y * y)))[..., None]
    frames = []
    for seed in range(20):
        content = cv2.GaussianBlur(pixels(seed, 128).astype(np.float32), (0, 0), 3) / 255 - 0.5
        frames.append(np.clip(vignette + 60 * content, 0, 255).astype(np.uint8))
    assert found(*frames) == []


def test_one_picture_or_none_has_no_pair() -> None:
    assert found() == []
    assert found(pixels(1)) == []


def test_blank_pictures_are_duplicates_of_each_other() -> None:
    blank = np.zeros((32, 32, 3), np.uint8)
    assert found(blank, pixels(1), blank + 7) == [(0, 2)]


def test_thousands_of_still_frames_stay_one_group_and_a_bounded_list() -> None:
    still = [pixels(1)] * 400
    pairs = found(*still)
    assert len(pairs) < 400 * NEXT_MAX
    named = [Pair(first, second, 1.0) for first, second in pairs]
    assert set(subjects([Item({"image": ""})] * 400, named)) == {"subject_000001"}


def test_ten_thousand_pictures_are_compared_in_seconds() -> None:
    seen = Thumbnails()
    small = np.random.default_rng(0).integers(0, 256, (10_000, 8, 8, 3), dtype=np.uint8)
    for picture in small:
        seen.add(np.repeat(np.repeat(picture, 4, axis=0), 4, axis=1))
    seen.add(np.repeat(np.repeat(small[1234], 4, axis=0), 4, axis=1))
    start = time.process_time()
    assert [(pair.first, pair.second) for pair in seen.pairs()] == [(1234, 10_000)]
    assert time.process_time() - start < 20
    seen.close()


def items(*given: tuple[str | None, str | None]) -> list[Item]:
    return [Item({"image": ""}, subject=subject, split=split) for subject, split in given]


def test_given_subjects_are_kept_and_the_others_are_their_own() -> None:
    assert subjects(items(("p", None), (None, None), ("p", None), (None, None)), []) == [
        "p",
        "subject_000001",
        "p",
        "subject_000002",
    ]


def test_near_duplicates_chain_into_one_subject() -> None:
    pairs = [Pair(0, 1, 0.97), Pair(1, 2, 0.99)]
    assert subjects(items(*[(None, None)] * 4), pairs) == [
        "subject_000001",
        "subject_000001",
        "subject_000001",
        "subject_000002",
    ]


def test_a_near_duplicate_of_a_given_subject_joins_it() -> None:
    assert subjects(items((None, None), ("p", None)), [Pair(0, 1, 0.99)]) == ["p", "p"]


def test_two_given_subjects_are_never_joined() -> None:
    pairs = [Pair(0, 1, 0.99), Pair(1, 2, 0.98)]
    assert subjects(items(("p", None), (None, None), ("q", None)), pairs) == ["p", "p", "q"]
    assert subjects(items(("p", None), ("q", None)), [Pair(0, 1, 1.0)]) == ["p", "q"]


def test_near_duplicates_across_a_given_split_are_not_one_subject() -> None:
    pairs = [Pair(0, 1, 0.99), Pair(1, 2, 0.98)]
    assert subjects(items((None, "train"), (None, "test"), (None, "test")), pairs) == [
        "subject_000001",
        "subject_000002",
        "subject_000002",
    ]


def test_a_made_name_is_never_a_given_one() -> None:
    assert subjects(items(("subject_000001", None), (None, None)), []) == [
        "subject_000001",
        "unnamed_subject_000001",
    ]


def test_given_subjects_that_share_an_image_are_drawn_together_but_keep_their_names() -> None:
    given = ["anna", "berta", "clara", "dora", "anna"]
    pairs = [Pair(0, 2, 0.99), Pair(2, 3, 0.98)]
    assert inseparable(given, pairs) == ["anna", "berta", "anna", "anna", "anna"]
