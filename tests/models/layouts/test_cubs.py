"""CUBS trees as published, nested, renamed and incomplete, and what becomes of every file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.layout import Item
from tests.models.layouts.trees import Files, fates, found, not_found


def image(
    name: str, *readers: str, factor: bool = True, profiles: str = "LIMA-Profiles"
) -> list[str]:
    """The files of one image in the usual tree."""
    files = [f"IMAGES/{name}.tiff"] + ([f"CF/{name}_CF.txt"] if factor else [])
    for reader in readers or ("Manual-A1",):
        files += [
            f"{profiles}/{reader}/{name}-{line}.txt".replace("//", "/") for line in ("LI", "MA")
        ]
    return files


def items(files: Files) -> tuple[Item, ...]:
    return found("cubs", files).items


def test_left_and_right_are_one_subject_with_the_files_of_every_reader() -> None:
    tree = image("clin_0001_L", "Manual-A1", "Manual-A2") + image("clin_0001_R")
    left, right = items(tree)
    assert left.subject == right.subject == "clin_0001"
    assert left.files == {
        "image": "IMAGES/clin_0001_L.tiff",
        "lumen_intima/Manual-A1": "LIMA-Profiles/Manual-A1/clin_0001_L-LI.txt",
        "media_adventitia/Manual-A1": "LIMA-Profiles/Manual-A1/clin_0001_L-MA.txt",
        "lumen_intima/Manual-A2": "LIMA-Profiles/Manual-A2/clin_0001_L-LI.txt",
        "media_adventitia/Manual-A2": "LIMA-Profiles/Manual-A2/clin_0001_L-MA.txt",
        "calibration": "CF/clin_0001_L_CF.txt",
    }
    assert found("cubs", tree).entries == ()


@pytest.mark.parametrize(
    "changed",
    [
        lambda name: f"DATASET_CUBS/{name}",
        lambda name: f"a/b/{name}",
        str.upper,
        str.lower,
        lambda name: name.replace("LIMA-Profiles/Manual-A1/", "LIMA-Profiles/"),
        lambda name: name.replace("LIMA-Profiles/", "SEGMENTATIONS/"),
        lambda name: name.replace("LIMA-Profiles/Manual-A1/", "GT1-LIMA-Profiles/"),
        lambda name: name.replace("LIMA-Profiles/Manual-A1/", "IMAGES/"),
        lambda name: name.replace("-LI.", "-GTLI.").replace("-MA.", "-GTMA."),
        lambda name: name.replace("-LI.", "_LI.").replace("-MA.", "_ma."),
        lambda name: name.replace("_CF.txt", ".txt"),
        lambda name: name.replace(".tiff", ".png"),
        lambda name: name.replace(".tiff", ".dcm"),
        lambda name: name.replace("IMAGES/", "").replace("LIMA-Profiles/Manual-A1/", ""),
    ],
)
def test_the_tree_is_recognised_in_every_usual_dress(changed: object) -> None:
    assert callable(changed)
    tree = [changed(name) for name in image("clin_0001_L") + image("clin_0002_R")]
    both = items(tree)
    assert [len(item.files) for item in both] == [4, 4]
    assert [str(item.subject).lower() for item in both] == ["clin_0001", "clin_0002"]
    assert found("cubs", tree).entries == ()


def test_what_the_public_set_has_beside_is_ignored() -> None:
    beside = [
        "README.txt", "Clinical_Data.csv", "Folds/f0/TrainList.txt",
        "LIMA-Profiles/Manual-A1/clin_0001_L_rect.txt",
        "LIMA-Profiles-interpolated/Manual-A1/clin_0001_L-LI.txt",
        "LIMA-Profiles-interpolated/Manual-A1/clin_0001_L-MA.txt",
        "LIMA-Profiles/Computerized-CREATIS/clin_0001_L-LI.txt",
        "LIMA-Profiles/Computerized-CREATIS/clin_0001_L-MA.txt",
    ]  # fmt: skip
    result = found("cubs", image("clin_0001_L") + beside)
    assert {file for file, (fate, _) in fates(result).items() if fate == "ignored"} == set(beside)
    (item,) = result.items
    assert "lumen_intima/Manual-A1" in item.files
    assert item.files["lumen_intima/Manual-A1"].startswith("LIMA-Profiles/")


def test_where_only_programs_drew_their_lines_are_taken_and_that_is_noted() -> None:
    (item,) = items(image("clin_0001_L", "Computerized-UCY"))
    assert item.notes == ("computerised_lines",)


def test_an_image_without_profiles_and_profiles_without_an_image_are_named() -> None:
    tree = [*image("clin_0001_L"), "IMAGES/clin_0009_L.tiff", "CF/clin_0009_L_CF.txt",
            "CF/clin_0008_L_CF.txt", *image("clin_0007_L")[2:]]  # fmt: skip
    said = fates(found("cubs", tree))
    assert said["IMAGES/clin_0009_L.tiff"] == ("excluded", "no_profiles")
    assert said["CF/clin_0009_L_CF.txt"] == ("excluded", "no_profiles")
    assert said["CF/clin_0008_L_CF.txt"] == ("excluded", "calibration_without_image")
    assert said["LIMA-Profiles/Manual-A1/clin_0007_L-MA.txt"] == (
        "excluded", "profile_without_image",
    )  # fmt: skip


def test_a_reader_who_drew_one_line_is_left_out_and_the_others_stay() -> None:
    tree = image("clin_0001_L", "Manual-A1", "Manual-A2") + image("clin_0002_L")
    one = "LIMA-Profiles/Manual-A2/clin_0001_L-MA.txt"
    result = found("cubs", [name for name in tree if name != one])
    assert len(result.items) == 2
    assert fates(result) == {one.replace("MA.", "LI."): ("excluded", "missing_line")}
    alone = [name for name in tree if name != one.replace("A2", "A1") and name != one]
    result = found("cubs", alone)
    assert len(result.items) == 1
    assert fates(result)["IMAGES/clin_0001_L.tiff"] == ("excluded", "missing_line")


def test_without_a_calibration_the_case_stays() -> None:
    (item,) = items(image("clin_0001_L", factor=False))
    assert "calibration" not in item.files


def test_two_images_of_one_name_are_left_out_with_their_profiles() -> None:
    tree = [*image("clin_0001_L"), "IMAGES/clin_0001_L.png", *image("clin_0002_L")]
    result = found("cubs", tree)
    assert [item.subject for item in result.items] == ["clin_0002"]
    assert {code for _, code in fates(result).values()} == {"ambiguous_image"}
    assert len(fates(result)) == 5


def test_two_sets_in_one_archive_keep_their_profiles_apart() -> None:
    tree = [f"{name}/{file}" for name in ("cyprus", "pisa") for file in image("clin_0001_L")]
    both = items(tree)
    assert [item.files["image"] for item in both] == [
        "cyprus/IMAGES/clin_0001_L.tiff", "pisa/IMAGES/clin_0001_L.tiff",
    ]  # fmt: skip
    assert all(
        file.startswith(item.files["image"].split("/")[0])
        for item in both
        for file in item.files.values()
    )


def test_split_folders_above_the_set_are_a_given_split() -> None:
    tree = [f"{name}/{file}" for name in ("train", "test") for file in image(f"clin_{name}_L")]
    assert {item.subject: item.split for item in items(tree)} == {
        "clin_train": "train", "clin_test": "test",
    }  # fmt: skip


@pytest.mark.parametrize(
    "files",
    [
        ["images/a.png", "masks/a.png"],
        ["images/a.png", "masks/a.png", "CF/a_CF.txt"],
        ["benign/a.png", "malignant/b.png", "notes.txt"],
        ["LIMA-Profiles/a-LI.txt", "LIMA-Profiles/a-MA.txt"],
        ["images/a.png", "labels/a.txt"],
        [],
    ],
)
def test_other_trees_are_none_of_it(files: list[str]) -> None:
    assert not_found("cubs", files)


words = st.sampled_from([
    "IMAGES", "LIMA-Profiles", "CF", "A1", "clin_0001_L", "clin_0001_L-LI", "clin_0001_L-MA",
    "clin_0001_L_CF", "-LI", "_CF", "x", "Computerized-X", "train",
])  # fmt: skip
paths = st.tuples(
    st.lists(words, max_size=3), words, st.sampled_from([".tiff", ".txt", ".dcm", "", ".csv"])
).map(lambda parts: "/".join([*parts[0], parts[1] + parts[2]]))


@given(st.lists(paths, unique=True, max_size=14))
def test_every_file_of_any_tree_has_one_fate(files: list[str]) -> None:
    if not_found("cubs", files):
        return
    result = found("cubs", files)
    used = [file for item in result.items for file in item.files.values()]
    said = [entry.file for entry in result.entries]
    assert sorted(used + said) == sorted(files)
