"""Volumes from real scanners: their place agrees with SimpleITK, and odd files are refused."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from models.imaging.volumes.dicom import read_series, series_in
from models.imaging.volumes.masks import read_mask
from models.imaging.volumes.nifti import read_nifti
from models.imaging.volumes.opening import open_volume
from models.imaging.volumes.pixels import hounsfield
from models.imaging.volumes.planes import planes_of
from models.imaging.volumes.stored import pack_volume, unpack_volume
from models.volume import Volume, VolumeError, upright

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real images are not at {DATA}"),
]
CHEST, TILT = DATA / "ct-chest-98", DATA / "ct-gantry-tilt"
SMALL = DATA / "ct-small" / "example_ct_dicom"
ODD = DATA / "dicom-odd"
# What each of the odd files is, all of them alone; the numbers were looked at file by file.
OUTCOMES = {"few_slices": 11, "not_ct": 101, "no_image": 17, "not_dicom": 2}


def files_of(folder: Path) -> tuple[list[str], Callable[[str], bytes]]:
    names = sorted((file.name for file in folder.iterdir()), reverse=True)
    return names, lambda name: (folder / name).read_bytes()


@pytest.fixture(scope="module")
def chest() -> Volume:
    return read_series(*files_of(CHEST))


def by_simpleitk(files: list[str]) -> SimpleITK.Image:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(files)
    return reader.Execute()


def agrees(volume: Volume, image: SimpleITK.Image) -> None:
    """The same values, and corners and 200 random voxels within 0.01 mm."""
    np.testing.assert_array_equal(volume.voxels, SimpleITK.GetArrayFromImage(image))
    shape = np.array(volume.voxels.shape)
    corners = np.array(np.meshgrid(*[(0, side - 1) for side in shape])).reshape(3, -1).T
    drawn = np.random.default_rng(0).integers(0, shape, (200, 3))
    places = np.concatenate([corners, drawn])
    theirs = [image.TransformIndexToPhysicalPoint(at[::-1].tolist()) for at in places]
    assert np.abs(volume.to_mm(places) - theirs).max() < 0.01
    assert np.abs(volume.to_voxel(theirs) - places).max() < 0.01


def test_a_chest_ct_lies_where_simpleitk_puts_it(chest: Volume) -> None:
    files = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(CHEST))
    agrees(chest, by_simpleitk(list(files)))
    assert chest.voxels.shape == (98, 512, 512)
    assert len(set(chest.sop_uids)) == 98
    assert chest.notes == ()


def test_a_compressed_ct_without_a_series_uid_lies_where_simpleitk_puts_it() -> None:
    names, read = files_of(SMALL)
    place = {name: planes_of(read(name), name)[0].position[2] for name in names}
    image = by_simpleitk([str(SMALL / name) for name in sorted(names, key=place.__getitem__)])
    agrees(read_series(names, read), image)


@pytest.mark.parametrize("name", ["example_ct.nii.gz", "example_ct_sm.nii.gz"])
def test_a_nifti_file_lies_where_simpleitk_puts_it(name: str) -> None:
    file = DATA / "ct-small" / name
    agrees(read_nifti(file.read_bytes()), SimpleITK.ReadImage(str(file)))


def test_a_tilted_ct_with_uneven_gaps_is_straightened_and_says_so() -> None:
    names, read = files_of(TILT)
    volume = read_series(names, read)
    notes = dict(volume.notes)
    assert set(notes) == {"uneven_slices", "coarse_slices", "tilted_slices"}
    assert "18.5 degrees" in notes["tilted_slices"]
    assert "1.08 to 7.00 mm" in notes["uneven_slices"]
    steps = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    np.testing.assert_allclose(steps.T @ steps, np.eye(3), atol=1e-6)
    # each slice is found again where its own header puts it
    for name in names:
        data = read(name)
        plane = planes_of(data, name)[0]
        z, y, x = volume.to_voxel(plane.position)
        assert -0.01 < y < volume.voxels.shape[1]
        assert x == pytest.approx(0, abs=0.01)
        if abs(z - round(z)) > 0.002 or not 0 <= round(z) < len(volume.voxels):
            continue
        picture = next(hounsfield(data, [plane])).astype(float)
        part, down = y - np.floor(y), int(y)
        found = volume.voxels[round(z), down + 1 : down + 512].astype(float)
        blended = part * picture[:-1] + (1 - part) * picture[1:]
        assert np.percentile(np.abs(found - blended), 95) < 8


@pytest.mark.parametrize("folder", [CHEST, SMALL, TILT], ids=lambda folder: folder.name)
def test_each_real_folder_holds_one_series(folder: Path) -> None:
    found = series_in(*files_of(folder))
    assert [(one.modality, one.count, one.flaw) for one in found] == [
        ("CT", len(list(folder.iterdir())), None)
    ]


def test_two_real_series_in_one_folder_are_asked_about() -> None:
    folders = {"a": SMALL, "b": TILT}
    names = [f"{key}/{file.name}" for key, folder in folders.items() for file in folder.iterdir()]
    with pytest.raises(VolumeError) as found:
        read_series(names, lambda name: (folders[name[0]] / name[2:]).read_bytes())
    assert found.value.code == "several_series"
    assert "20 slices 512 x 512, 2.00 mm apart" in found.value.detail
    assert "28 slices 512 x 512, 4.00 mm apart" in found.value.detail


def test_every_odd_file_is_refused_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    counted: dict[str, int] = {}
    for file in sorted(path for path in ODD.rglob("*") if path.is_file()):
        data = file.read_bytes()
        with pytest.raises(VolumeError) as found:
            read_series([file.name], lambda _, data=data: data)
        assert len(found.value.detail) > 20
        counted[found.value.code] = counted.get(found.value.code, 0) + 1
        with pytest.raises(VolumeError):
            open_volume(data)
    assert counted == OUTCOMES
    assert capsys.readouterr().err == ""


def test_odd_files_that_are_ct_slices_are_decoded() -> None:
    """One CT slice in each transfer syntax: the lossless ones are the same picture."""
    pictures = {}
    for file in sorted(path for path in ODD.rglob("*") if path.is_file()):
        data = file.read_bytes()
        try:
            planes = [one for one in planes_of(data, file.name) if one.modality == "CT"]
        except VolumeError:
            continue
        if planes and planes[0].rows:
            pictures[file.name] = next(hounsfield(data, planes[:1]))
    assert len(pictures) == 11
    same = [pictures[f"CT1_{name}"] for name in ("J2KR", "JLSL", "RLE")]
    np.testing.assert_array_equal(same[0], same[1])
    np.testing.assert_array_equal(same[0], same[2])
    np.testing.assert_array_equal(pictures["693_J2KR.dcm"], pictures["693_UNCR.dcm"])
    for name, picture in pictures.items():
        if name != "eCT_Supplemental.dcm":  # a map of blood flow
            assert picture.min() <= -890, name
            assert 100 < picture.max() < 5000, name


@pytest.mark.parametrize("name", ["liver.dcm", "liver_expb.dcm"])
def test_a_real_segmentation_marks_the_voxels_that_simpleitk_reads(name: str) -> None:
    image = SimpleITK.ReadImage(str(ODD / "pydicom" / "liver.dcm"))
    bits = SimpleITK.GetArrayFromImage(image) > 0
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    volume = Volume(np.zeros(bits.shape, dtype=np.int16), affine)
    data = (ODD / "pydicom" / name).read_bytes()
    labels = read_mask(volume, [name], lambda _: data)
    np.testing.assert_array_equal(labels > 0, bits)
    assert bits.any()


def test_a_real_segmentation_with_fewer_pixels_than_frames_is_refused(chest: Volume) -> None:
    data = (ODD / "pydicom" / "liver_1frame.dcm").read_bytes()
    with pytest.raises(VolumeError) as found:
        read_mask(chest, ["liver"], lambda _: data)
    assert found.value.code == "damaged_pixels"


def test_a_mask_drawn_on_a_converted_volume_comes_back_to_its_dicom(
    chest: Volume, tmp_path: Path
) -> None:
    """As a reader works: DICOM converted to NIfTI, flipped by the converter, a mask drawn there."""
    marked = np.zeros(chest.voxels.shape, dtype=np.uint8)
    marked[20:24, 200:210, 250:262], marked[70:73, 300:304, 150:153] = 1, 2
    image = SimpleITK.GetImageFromArray(marked[:, ::-1])
    row = np.array(chest.to_mm((0, chest.voxels.shape[1] - 1, 0)))
    image.SetOrigin(row.tolist())
    image.SetSpacing(chest.spacing_mm[::-1])
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    SimpleITK.WriteImage(image, str(tmp_path / "mask.nii.gz"))
    found = read_mask(chest, ["mask"], lambda _: (tmp_path / "mask.nii.gz").read_bytes())
    np.testing.assert_array_equal(found, marked)


def test_a_chest_ct_survives_its_zip_and_its_pack(chest: Volume, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sent.zip", "w") as archive:
        for file in CHEST.iterdir():
            archive.write(file, f"IMAGES/{file.name}")
    sent = open_volume(tmp_path / "sent.zip")
    np.testing.assert_array_equal(sent.voxels, chest.voxels)
    packed = pack_volume(sent)
    assert len(packed) < 0.7 * chest.voxels.nbytes
    again = unpack_volume(packed)
    np.testing.assert_array_equal(again.voxels, chest.voxels)
    np.testing.assert_array_equal(again.affine, chest.affine)


def test_a_small_nifti_stands_upright() -> None:
    volume = upright(read_nifti((DATA / "ct-small" / "example_ct.nii.gz").read_bytes()))
    assert (np.diag(volume.affine)[:3] > 0).all()
