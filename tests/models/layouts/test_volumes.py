"""Trees of volumes: whose a series is, what a mask is, and what is left over."""

import pytest

from models.discovery import layouts
from models.layout import Found, Tree
from tests.models.layouts.trees import Files, fates, found, not_found

SLICE = bytes(128) + b"DICM" + bytes(200)
Row = tuple[str | None, str | None, tuple[str, ...], tuple[str, ...]]


def rows(result: Found) -> list[Row]:
    """(subject, split, files of the volume, files of the mask) of every case."""
    return [
        (item.subject, item.split, item.series["volume"], item.series.get("mask", ()))
        for item in result.items
    ]


def nifti(*names: str) -> list[Row]:
    return rows(found("nifti", list(names)))


def slices(folder: str, count: int = 2) -> dict[str, bytes]:
    return {f"{folder}/{k:05d}": SLICE for k in range(count)}


def both(folder: str, count: int = 2) -> tuple[str, ...]:
    return tuple(slices(folder, count))


def dicom(files: Files) -> list[Row]:
    return rows(found("dicom_series", files))


def test_a_folder_is_a_patient_and_a_name_tells_the_mask() -> None:
    assert nifti("p1/ct.nii.gz", "p1/mask.nii.gz", "p2/a.nii", "p2/a-seg.nii") == [
        ("p1", None, ("p1/ct.nii.gz",), ("p1/mask.nii.gz",)),
        ("p2", None, ("p2/a.nii",), ("p2/a-seg.nii",)),
    ]


def test_slices_at_any_depth_are_one_volume() -> None:
    files = slices("p1/DICOM/A/B") | slices("p1/DICOM/A/C") | {"p1/emboli.nii.gz": b""}
    assert dicom(files | {"p2/x": SLICE, "p2/y_mask.dcm": SLICE}) == [
        ("p1", None, both("p1/DICOM/A/B") + both("p1/DICOM/A/C"), ("p1/emboli.nii.gz",)),
        ("p2", None, ("p2/x",), ("p2/y_mask.dcm",)),
    ]


def test_a_folder_may_be_the_mask() -> None:
    files = slices("p1/ct") | slices("p1/emboli mask") | slices("p2/ct") | slices("p2_mask/1/2")
    assert dicom(files) == [
        ("p1", None, both("p1/ct"), both("p1/emboli mask")),
        ("p2", None, both("p2/ct"), both("p2_mask/1/2")),
    ]


@pytest.mark.parametrize("folder", ["", "set/", "a/b/"])
def test_folders_around_a_data_set_are_passed_by(folder: str) -> None:
    names = [f"{folder}{p}/{file}.nii.gz" for p in ("p1", "p2") for file in ("ct", "mask")]
    assert [row[0] for row in nifti(*names)] == ["p1", "p2"]
    files = slices(f"{folder}p1/ct") | slices(f"{folder}p2") | {f"{folder}p1/mask.nii": b""}
    assert [row[0] for row in dicom(files)] == ["p1", "p2"]


def test_one_patient_alone_is_a_patient_and_no_data_set() -> None:
    assert nifti("p1/ct.nii.gz", "p1/mask.nii.gz")[0][0] == "p1"
    files = slices("p1/thick") | slices("p1/thin") | {"p1/mask.nii.gz": b""}
    assert dicom(files) == [("p1", None, both("p1/thick") + both("p1/thin"), ("p1/mask.nii.gz",))]
    assert dicom(slices("p1/a/b"))[0][0] == "p1"


@pytest.mark.parametrize("folder", ["", "set/"])
def test_split_folders_stand_above_patients(folder: str) -> None:
    names = [f"{folder}{part}/{part}1/{file}.nii" for part in ("train", "val", "test")
             for file in ("ct", "mask")]  # fmt: skip
    assert [row[:2] for row in nifti(*names)] == [
        ("test1", "test"), ("train1", "train"), ("val1", "validation"),
    ]  # fmt: skip
    assert [row[:2] for row in dicom(slices(f"{folder}train/p1/ct"))] == [("p1", "train")]


def test_volumes_of_one_patient_lie_in_folders_of_their_own_with_their_masks() -> None:
    files = slices("p1/before/ct") | slices("p1/after") | slices("p1/scout") | slices("p2")
    masks = {"p1/before/mask.nii": b"", "p1/after/seg.nii": b"", "p2/mask.nii": b""}
    assert dicom(files | masks) == [
        ("p1", None, both("p1/after"), ("p1/after/seg.nii",)),
        ("p1", None, both("p1/before/ct"), ("p1/before/mask.nii",)),
        ("p1", None, both("p1/scout"), ()),
        ("p2", None, both("p2"), ("p2/mask.nii",)),
    ]


def test_volumes_of_one_patient_may_pair_by_name() -> None:
    assert nifti(
        "p1/a.nii", "p1/a_mask.nii", "p1/b_ct.nii", "p1/mask_b.nii", "p2/c.nii", "p2/c_mask.nii"
    ) == [
        ("p1", None, ("p1/a.nii",), ("p1/a_mask.nii",)),
        ("p1", None, ("p1/b_ct.nii",), ("p1/mask_b.nii",)),
        ("p2", None, ("p2/c.nii",), ("p2/c_mask.nii",)),
    ]
    inside = nifti("p1/images/a.nii", "p1/images/b.nii", "p1/masks/a.nii", "p1/masks/b.nii",
                   "p2/c.nii", "p2/seg.nii")  # fmt: skip
    assert [(row[0], len(row[2]), len(row[3])) for row in inside] == [
        ("p1", 1, 1), ("p1", 1, 1), ("p2", 1, 1),
    ]  # fmt: skip


def test_what_no_name_tells_apart_stays_one_case_to_be_judged() -> None:
    found = nifti(
        "p1/a.nii", "p1/b.nii", "p1/mask.nii", "p2/c.nii", "p2/m1_mask.nii", "p2/mask.nii"
    )
    assert [(len(row[2]), len(row[3])) for row in found] == [(2, 1), (1, 2)]


def test_a_word_for_the_illness_is_no_word_for_a_mask() -> None:
    files = slices("p1/pulmonary embolism") | {"p1/mask.nii": b""}
    assert dicom(files | slices("embolism 2/ct") | {"embolism 2/mask.nii": b""}) == [
        ("embolism 2", None, both("embolism 2/ct"), ("embolism 2/mask.nii",)),
        ("p1", None, both("p1/pulmonary embolism"), ("p1/mask.nii",)),
    ]
    assert nifti("p1/ct.nii", "p1/embolism.nii", "p2/ct.nii")[0][3] == ("p1/embolism.nii",)
    assert nifti("seg1/mask/ct.nii", "seg2/mask/ct.nii")[0][2:] == (("seg1/mask/ct.nii",), ())


@pytest.mark.parametrize("names", [
    ("images/a.nii.gz", "images/b.nii.gz", "masks/a.nii.gz", "masks/b_mask.nii.gz"),
    ("imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz"),
    ("a.nii.gz", "a_mask.nii.gz", "b_ct.nii.gz", "b-seg.nii.gz"),
    ("set/a.nii.gz", "set/a_mask.nii.gz", "set/b.nii.gz", "set/b_mask.nii.gz"),
    ("set/ct/a.nii.gz", "set/ct/b.nii.gz", "set/seg/a.nii.gz", "set/seg/b.nii.gz"),
])  # fmt: skip
def test_volumes_and_masks_lie_side_by_side(names: tuple[str, ...]) -> None:
    result = found("nifti", list(names))
    assert [(row[0], len(row[2]), len(row[3])) for row in rows(result)] == [(None, 1, 1)] * 2
    assert not result.entries
    for _, _, volume, mask in rows(result):
        assert volume[0].split("/")[-1][0] == mask[0].split("/")[-1][0]


def test_parts_of_volumes_side_by_side() -> None:
    below = [f"{role}/{part}/a.nii" for role in ("images", "masks") for part in ("train", "test")]
    above = [f"{part}/{role}/a.nii" for role in ("images", "masks") for part in ("train", "test")]
    ending = ["imagesTr/a.nii", "labelsTr/a.nii", "imagesTs/b.nii", "labelsTs/b.nii"]
    for names in (below, above, ending):
        assert sorted((row[1], len(row[3])) for row in nifti(*names)) == [("test", 1), ("train", 1)]
    assert {row[1] for row in nifti(*ending[:3])} == {None}


def test_series_side_by_side_with_masks_have_the_name_of_their_folder() -> None:
    files = slices("images/p1/x") | slices("images/p2") | slices("masks/p2")
    assert dicom(files | {"masks/p1.nii.gz": b""}) == [
        ("p1", None, both("images/p1/x"), ("masks/p1.nii.gz",)),
        ("p2", None, both("images/p2"), both("masks/p2")),
    ]


def test_what_is_no_case_is_named() -> None:
    result = found("dicom_series", {
        "loose": SLICE, "p1/a.dcm": b"", "p1/mask.nii": b"", "p1/b.png": b"", "p1/c.xyz": b"1",
        "README.md": b"", "DICOMDIR": SLICE, "p2/mask.nii": b"", "p1/report.pdf": b"",
    })  # fmt: skip
    assert rows(result) == [("p1", None, ("p1/a.dcm", "p1/c.xyz"), ("p1/mask.nii",))]
    assert fates(result) == {
        "loose": ("excluded", "not_in_layout"),
        "DICOMDIR": ("ignored", "document"),
        "README.md": ("ignored", "document"),
        "p1/b.png": ("excluded", "not_a_volume"),
        "p1/report.pdf": ("ignored", "document"),
        "p2/mask.nii": ("excluded", "mask_without_volume"),
    }


def test_names_tell_and_few_files_are_looked_at() -> None:
    read: list[str] = []

    def look(name: str) -> bytes:
        read.append(name)
        return SLICE

    names = [f"p{p}/{k:04d}" for p in range(3) for k in range(50)]
    assert layouts()["dicom_series"].recognise(Tree(names, look))
    assert read == ["p0/0000", "p1/0000", "p2/0000"]
    read.clear()
    assert layouts()["dicom_series"].recognise(Tree([f"{name}.dcm" for name in names], look))
    assert not read


@pytest.mark.parametrize("names", [["a/b.png", "a/c.txt"], ["x.bin", "y/z.dat"], []])
def test_what_holds_no_volume_is_another_layouts(names: list[str]) -> None:
    assert not_found("dicom_series", names) and not_found("nifti", names)


def test_series_and_files_are_told_apart() -> None:
    assert not_found("nifti", slices("p1/ct"))
    assert not_found("dicom_series", ["p1/ct.nii.gz"])
    mixed = slices("p1/ct") | {"p1/mask.nii": b"", "p2/ct.nii": b"", "p2/mask.nii": b""}
    assert [row[0] for row in dicom(mixed)] == ["p1", "p2"]


def listed(files: Files, *lines: str, columns: str = "file_name,mask,subject") -> Found:
    held = dict(files) if not isinstance(files, list) else dict.fromkeys(files, b"")
    return found("metadata_csv", {**held, "metadata.csv": "\n".join((columns, *lines)).encode()})


def test_a_row_names_a_file_or_the_folder_of_a_series() -> None:
    files = slices("p1/ct") | slices("p1/ct/m") | slices("p2") | {"p2/mask.nii": b"", "c.nii": b""}
    result = listed(files, "p1/ct/,p1/ct/m,a", "p2,p2/mask.nii,b", "./c.nii,,c")
    assert rows(result) == [
        ("a", None, both("p1/ct"), both("p1/ct/m")),
        ("b", None, both("p2"), ("p2/mask.nii",)),
        ("c", None, ("c.nii",), ()),
    ]
    assert [item.files for item in result.items] == [
        {"image": "p1/ct/00000", "mask": "p1/ct/m/00000"},
        {"image": "p2/00000", "mask": "p2/mask.nii"},
        {"image": "c.nii"},
    ]


def test_rows_that_give_no_volume_name_every_file_and_why() -> None:
    files = slices("p1") | slices("p2") | {"p3/a.png": b"", "p2/a.png": b"", "x.png": b""}
    result = listed(files, "p1,no.nii,a", "p2,,b", "p2,,c", "p3,,d", "p9,,e", ",,f", "x.png,,g")
    assert fates(result) == {
        "metadata.csv": ("used", None),
        "p1/00000": ("excluded", "missing_mask"),
        "p1/00001": ("excluded", "missing_mask"),
        "p2/00000": ("excluded", "conflicting_rows"),
        "p2/00001": ("excluded", "conflicting_rows"),
        "p2/a.png": ("excluded", "not_listed"),
        "p3": ("excluded", "missing_file"),
        "p3/a.png": ("excluded", "not_listed"),
        "p9": ("excluded", "missing_file"),
        "": ("excluded", "missing_file"),
    }
    assert [item.series for item in result.items] == [{}]


def test_a_row_that_names_nothing_is_not_the_folder_of_its_table() -> None:
    result = found(
        "metadata_csv", slices("train/p1") | {"train/metadata.csv": b"file_name,mask\n,\n"}
    )
    assert not result.items
