"""Lines of a vessel's wall at the door: taken as they were drawn, and never guessed."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.discovery import tasks
from models.findings import IntimaMediaFinding
from models.imaging import carotid_phantom
from models.imaging.frames import decode
from models.ingest import LedgerEntry, RejectedError, ingest
from models.pack import Manifest, Pack
from tests.models.ingest.uploads import saved, table, written, zipped

WALLS = replace(
    tasks()["segmentation"], name="walls", classes=("lumen", "intima_media", "adventitia"),
    layouts=("cubs", "metadata_csv", "image_mask_pairs"), finding=IntimaMediaFinding,
)  # fmt: skip
WIDTH, HEIGHT = 240, 180
Files = dict[str, bytes]


def picture(seed: int) -> bytes:
    """Grey noise of its own, so that no two are near-duplicates."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12), dtype=np.uint8)
    return saved(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), "TIFF")


def line(y: float, first: int = 20, last: int = 219) -> bytes:
    return "".join(f"{x} {y + x / 40:.4f}\n" for x in range(first, last + 1)).encode()


def case(name: str, **readers: tuple[bytes, bytes]) -> Files:
    """An image with its calibration and each reader's two lines, as CUBS has them."""
    files = {f"IMAGES/{name}.tiff": picture(int(name[5:9])), f"CF/{name}_CF.txt": b"0.060000\n"}
    for reader, lines in (readers or {"A1": (line(90), line(100))}).items():
        for end, data in zip(("LI", "MA"), lines, strict=True):
            files[f"LIMA-Profiles/{reader}/{name}-{end}.txt"] = data
    return files


def sound(count: int = 5) -> Files:
    return {name: data for k in range(count) for name, data in case(f"clin_{k + 1:04d}_L").items()}


def taken(files: Files, folder: Path) -> tuple[Manifest, dict[str, LedgerEntry]]:
    manifest, ledger = ingest(written(folder, zipped(files)), WALLS, folder / "pack.zip")
    assert sorted(entry.file for entry in ledger) == sorted(files)  # every file has one fate
    return manifest, {entry.file: entry for entry in ledger}


def facts(manifest: Manifest, subject: str) -> dict[str, Any]:
    (found,) = [case.facts for case in manifest.cases if case.subject == subject]
    return dict(found)


def heights(kept: list[list[float]]) -> tuple[float, float, float]:
    """First and last column of a line, and its y at column 100."""
    points = np.array(kept)
    return points[0, 0], points[-1, 0], float(np.interp(100, points[:, 0], points[:, 1]))


def test_a_cubs_tree_becomes_cases_with_lines_spacing_and_subjects(tmp_path: Path) -> None:
    files = sound() | case("clin_0001_R")
    files["IMAGES/clin_0001_R.tiff"] = picture(77)
    manifest, ledger = taken(files, tmp_path)
    assert manifest.layout == "cubs"
    assert manifest.counts == {"files": 24, "cases": 6, "subjects": 5, "excluded": 0}
    assert {entry.fate for entry in ledger.values()} == {"used"}
    assert manifest.classes == WALLS.classes
    assert manifest.class_counts == dict.fromkeys(WALLS.classes, 6)
    assert all(found.spacing_mm == (0.06, 0.06) for found in manifest.cases)
    assert all(set(found.roles) == {"image"} for found in manifest.cases)
    kept = facts(manifest, "clin_0002")
    assert kept["spacing_source"] == "cubs"
    assert "readers" not in kept
    assert heights(kept["lines"]["lumen_intima"]) == (20, 219, pytest.approx(92.5))
    assert heights(kept["lines"]["media_adventitia"]) == (20, 219, pytest.approx(102.5))
    # A line that is straight is two points and no more.
    assert len(kept["lines"]["lumen_intima"]) == 2
    assert json.loads(manifest.to_json())["cases"][0]["facts"]["lines"]


def test_the_phantoms_own_tree_is_taken_whole_and_true(tmp_path: Path) -> None:
    files: Files = {}
    for k in range(2):
        files |= carotid_phantom.patient(np.random.default_rng([8, k]), k).files
    manifest, ledger = taken(files, tmp_path)
    assert {entry.fate for entry in ledger.values()} == {"used"}
    assert (manifest.counts["cases"], manifest.counts["subjects"]) == (4, 2)
    rng = np.random.default_rng([8, 0])
    frame = carotid_phantom.frame(rng)  # the first that the phantom drew
    kept = next(found for found in manifest.cases if found.case_id == "case_000001")
    assert set(kept.facts["readers"]) == {"Manual-A1", "Manual-A1s", "Manual-A2"}
    for name, truth in (
        ("lumen_intima", frame.lumen_intima), ("media_adventitia", frame.media_adventitia),
    ):  # fmt: skip
        points = np.array(kept.facts["lines"][name])
        off = points[:, 1] - np.interp(points[:, 0], *truth.T)
        assert np.abs(off).mean() * frame.spacing_mm[0] * 1000 < 30  # um
    with Pack.open(tmp_path / "pack.zip") as pack:
        pixels, _ = decode(pack.read(kept.roles["image"]))
    assert np.array_equal(pixels[..., 0], frame.pixels)


def test_several_readers_become_their_mean_where_two_drew_and_all_are_kept(tmp_path: Path) -> None:
    readers = {
        "A1": (line(90, 20, 180), line(100, 20, 180)),
        "A2": (line(92, 40, 219), line(103, 40, 219)),
    }
    manifest, _ = taken(sound() | case("clin_0009_L", **readers), tmp_path)
    kept = facts(manifest, "clin_0009")
    assert heights(kept["lines"]["lumen_intima"]) == (40, 180, pytest.approx(93.5))
    assert heights(kept["lines"]["media_adventitia"]) == (40, 180, pytest.approx(104))
    assert heights(kept["readers"]["A1"]["lumen_intima"]) == (20, 180, pytest.approx(92.5))
    assert heights(kept["readers"]["A2"]["lumen_intima"]) == (40, 219, pytest.approx(94.5))


BROKEN: dict[str, tuple[tuple[bytes, bytes], str, str, str]] = {
    "empty": ((line(90), b""), "empty_profile", "unreadable", "no numbers"),
    "words": ((line(90), b"not a line\nat all\n"), "bad_profile", "unreadable", "no number"),
    "unequal": ((b"1 2 3 4\n5 6 7\n", line(100)), "bad_profile", "unreadable", "4 values of x"),
    "all NaN": ((b"NaN NaN\n" * 50, line(100)), "empty_profile", "unreadable", "0 point"),
    "crossed": ((line(100), line(90)), "lines_crossed", "excluded", "exchange"),
    "outside": ((line(900), line(910)), "lines_outside", "excluded", f"{WIDTH} x {HEIGHT}"),
    "apart": ((line(90, 20, 60), line(100, 90, 160)), "lines_apart", "excluded", "0 column"),
    "short": ((line(90, 20, 24), line(100, 20, 24)), "lines_apart", "excluded", "5 column"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_lines_that_cannot_be_used_leave_their_case_out_with_the_way_out(
    name: str, tmp_path: Path
) -> None:
    lines, code, fate, said = BROKEN[name]
    manifest, ledger = taken(sound() | case("clin_0009_L", A1=lines), tmp_path)
    assert manifest.counts["cases"] == 5
    those = [entry for file, entry in ledger.items() if "clin_0009" in file]
    assert {entry.code for entry in those} == {code}
    at_fault = [entry for entry in those if said in (entry.detail or "")]
    assert [entry.fate for entry in at_fault] == [fate] * len(at_fault)
    assert at_fault
    assert ledger["IMAGES/clin_0009_L.tiff"].fate == "excluded"
    assert code in {problem["code"] for problem in manifest.problems}


@pytest.mark.parametrize("name", BROKEN)
def test_a_reader_whose_lines_cannot_be_used_is_dropped_and_the_others_are_believed(
    name: str, tmp_path: Path
) -> None:
    lines, code, _, _ = BROKEN[name]
    good = line(90), line(100)
    files = sound() | case("clin_0009_L", A1=good, A2=lines, A3=good)
    manifest, ledger = taken(files, tmp_path)
    assert manifest.counts["cases"] == 6
    assert set(facts(manifest, "clin_0009")["readers"]) == {"A1", "A3"}
    bad = [entry for file, entry in ledger.items() if "A2/clin_0009" in file]
    assert {(entry.fate, entry.code) for entry in bad} == {("excluded", code)}
    image = ledger["IMAGES/clin_0009_L.tiff"]
    assert (image.fate, image.code) == ("used", "readers_dropped")


DRESSED: dict[str, Callable[[bytes], bytes]] = {
    "decimal commas": lambda data: data.replace(b".", b","),
    "tabs and CRLF": lambda data: data.replace(b" ", b"\t").replace(b"\n", b"\r\n"),
    "semicolons": lambda data: data.replace(b" ", b";"),
    "a mark and a heading": lambda data: b"\xef\xbb\xbfx y\n" + data,
    "rows of NaN": lambda data: data.replace(b"\n", b"\nNaN NaN\n", 3),
    "one line of x, one of y": lambda data: b"\n".join(
        b" ".join(row.split()[axis] for row in data.splitlines()) for axis in (0, 1)
    ),
    "from right to left": lambda data: b"\n".join(data.splitlines()[::-1]),
}


@pytest.mark.parametrize("name", DRESSED)
def test_every_usual_way_of_writing_gives_the_same_lines(name: str, tmp_path: Path) -> None:
    dressed = DRESSED[name](line(90)), DRESSED[name](line(100))
    manifest, ledger = taken(sound() | case("clin_0009_L", A1=dressed), tmp_path)
    kept = facts(manifest, "clin_0009")["lines"]
    assert heights(kept["lumen_intima"]) == (20, 219, pytest.approx(92.5))
    assert heights(kept["media_adventitia"]) == (20, 219, pytest.approx(102.5))
    assert {entry.fate for entry in ledger.values()} == {"used"}


def test_a_line_that_leaves_the_frame_or_touches_the_other_in_places_is_cut(tmp_path: Path) -> None:
    wide = line(90, -30, 260), line(100, -30, 260)
    touching = line(90), line(100, 20, 24) + line(90, 25, 30) + line(100, 31, 219)
    files = sound() | case("clin_0008_L", A1=wide) | case("clin_0009_L", A1=touching)
    manifest, ledger = taken(files, tmp_path)
    assert ledger["IMAGES/clin_0008_L.tiff"].code == "lines_clipped"
    assert heights(facts(manifest, "clin_0008")["lines"]["lumen_intima"])[:2] == (0, WIDTH - 1)
    assert ledger["IMAGES/clin_0009_L.tiff"].code == "lines_crossing"
    assert {"lines_clipped", "lines_crossing"} <= {said["code"] for said in manifest.warnings}


@pytest.mark.parametrize(
    ("factor", "note"),
    [(None, "no_spacing"), (b"", "bad_calibration"), (b"16.7", "bad_calibration"),
     (b"nan", "bad_calibration"), (b"0.06 0.07", "bad_calibration")],
)  # fmt: skip
def test_without_a_calibration_a_case_counts_in_pixels_and_says_so(
    factor: bytes | None, note: str, tmp_path: Path
) -> None:
    files = sound() | case("clin_0009_L")
    name = "CF/clin_0009_L_CF.txt"
    if factor is None:
        del files[name]
    else:
        files[name] = factor
    manifest, ledger = taken(files, tmp_path)
    (found,) = [found for found in manifest.cases if found.subject == "clin_0009"]
    assert found.spacing_mm is None
    assert "spacing_source" not in found.facts
    image = ledger["IMAGES/clin_0009_L.tiff"]
    assert (image.fate, image.code) == ("used", note)
    if factor is not None:
        assert (ledger[name].fate, ledger[name].code) == ("excluded", "bad_calibration")
    assert note in {said["code"] for said in manifest.warnings}


def test_decimal_commas_in_a_calibration_are_read(tmp_path: Path) -> None:
    manifest, _ = taken(sound() | {"CF/clin_0001_L_CF.txt": b"0,0475\r\n"}, tmp_path)
    assert {found.spacing_mm for found in manifest.cases} == {(0.0475, 0.0475), (0.06, 0.06)}


def test_a_tree_of_images_and_calibrations_alone_is_refused_with_its_ledger(tmp_path: Path) -> None:
    files = {name: data for name, data in sound().items() if "LIMA" not in name}
    with pytest.raises(RejectedError) as error:
        ingest(written(tmp_path, zipped(files)), WALLS, tmp_path / "pack.zip")
    assert error.value.problems[0]["code"] == "no_cases"
    assert {entry.code for entry in error.value.ledger} == {"no_profiles"}


def test_nested_one_level_down_and_in_capitals_it_is_the_same_data_set(tmp_path: Path) -> None:
    nested = {f"CUBS/{name}".upper(): data for name, data in sound().items()}
    manifest, _ = taken(nested | {"README.md": b"about"}, tmp_path / "one")
    assert (manifest.layout, manifest.counts["cases"]) == ("cubs", 5)


def test_an_image_that_is_no_image_takes_its_lines_with_it(tmp_path: Path) -> None:
    files = sound() | case("clin_0009_L") | {"IMAGES/clin_0009_L.tiff": b"no image"}
    _, ledger = taken(files, tmp_path)
    assert ledger["IMAGES/clin_0009_L.tiff"].fate == "unreadable"
    assert ledger["LIMA-Profiles/A1/clin_0009_L-LI.txt"].detail == (
        "left out with IMAGES/clin_0009_L.tiff"
    )


# ---- metadata.csv, masks, DICOM -------------------------------------------------------------


def lines_table(*cells: tuple[str, ...]) -> Files:
    columns = ("file_name", "lumen_intima", "media_adventitia", "subject", "spacing_mm")
    pictures = {row[0]: picture(k) for k, row in enumerate(cells)}
    return {"metadata.csv": table(columns, *cells, delimiter=";").replace(b"|", b";"), **pictures}


FLAT = "20 90 219 95", "20 100 219 105"
JSON_CELLS = "[[20, 90], [219, 95]]", "[[20, 219], [100, 105]]"


def test_polylines_in_a_table_are_lines_however_they_are_written(tmp_path: Path) -> None:
    rows = [(f"{k}.tif", *(FLAT if k % 2 else JSON_CELLS), f"p{k}", "0.05 0.06") for k in range(6)]
    manifest, _ = taken(lines_table(*rows), tmp_path)
    assert (manifest.layout, manifest.counts["cases"]) == ("metadata_csv", 6)
    for found in manifest.cases:
        assert found.spacing_mm == (0.05, 0.06)
        assert found.facts["spacing_source"] == "given"
        assert heights(found.facts["lines"]["lumen_intima"])[:2] == (20, 219)
        assert heights(found.facts["lines"]["media_adventitia"])[2] == pytest.approx(
            102.01, abs=0.01
        )


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (("20 90 219 95", ""), "missing_line"),
        (("", ""), "no_lines"),
        (("20 90 219", FLAT[1]), "bad_line"),
        (("[[20, 90]", FLAT[1]), "bad_line"),
        ((FLAT[1], FLAT[0]), "lines_crossed"),
        (("20 900 219 900", "20 910 219 910"), "lines_outside"),
    ],
)
def test_cells_that_are_no_wall_leave_their_case_out(
    cells: tuple[str, str], code: str, tmp_path: Path
) -> None:
    rows = [(f"{k}.tif", *FLAT, f"p{k}", "") for k in range(5)]
    _, ledger = taken(lines_table(*rows, ("9.tif", *cells, "p9", "")), tmp_path)
    assert (ledger["9.tif"].fate, ledger["9.tif"].code) == ("excluded", code)
    assert ledger["0.tif"].code == "no_spacing"


def complex_mask(top: int = 90, bottom: int = 99, value: int = 255) -> bytes:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[top : bottom + 1, 20:220] = value
    return saved(Image.fromarray(mask))


def test_a_mask_of_the_complex_gives_its_upper_and_lower_edge(tmp_path: Path) -> None:
    files: Files = {}
    for k in range(5):
        files |= {f"images/{k}.tif": picture(k), f"masks/{k}.png": complex_mask()}
    files |= {"images/8.tif": picture(8), "masks/8.png": complex_mask(value=0)}
    files |= {"images/9.tif": picture(9), "masks/9.png": saved(Image.new("L", (40, 40), 255))}
    manifest, ledger = taken(files, tmp_path)
    assert manifest.layout == "image_mask_pairs"
    assert {entry.code for file, entry in ledger.items() if "8." in file} == {"bad_mask"}
    assert ledger["masks/9.png"].code == "mask_size"
    (first, *_) = manifest.cases
    assert "mask" not in first.roles
    assert first.facts["lines"] == {
        "lumen_intima": [[20, 89.5], [219, 89.5]],
        "media_adventitia": [[20, 99.5], [219, 99.5]],
    }
    assert ledger["images/0.tif"].code == "no_spacing"


@cache
def dicom(seed: int) -> tuple[bytes, carotid_phantom.Frame]:
    frame = carotid_phantom.frame(np.random.default_rng([21, seed]))
    return carotid_phantom.dicom_image(np.random.default_rng(seed), frame), frame


def lines_of(frame: carotid_phantom.Frame) -> tuple[bytes, bytes]:
    texts = []
    for points in (frame.lumen_intima, frame.media_adventitia):
        out = io.StringIO()
        np.savetxt(out, points[10:-10], fmt="%.3f")
        texts.append(out.getvalue().encode())
    return texts[0], texts[1]


def test_a_dicom_frame_is_an_image_and_tells_its_spacing(tmp_path: Path) -> None:
    files: Files = {}
    for k in range(5):
        data, frame = dicom(k)
        files |= {f"IMAGES/s{k}_L.dcm": data}
        for end, text in zip(("LI", "MA"), lines_of(frame), strict=True):
            files[f"LIMA-Profiles/s{k}_L-{end}.txt"] = text
    manifest, ledger = taken(files, tmp_path)
    assert {entry.fate for entry in ledger.values()} == {"used"}
    for k, found in enumerate(manifest.cases):
        assert found.facts["spacing_source"] == "dicom"
        assert found.spacing_mm == pytest.approx(dicom(k)[1].spacing_mm)
    stored = (tmp_path / "pack.zip").read_bytes()
    assert b"Phantom" not in stored
    assert b"DICM" not in stored


def test_a_factor_that_differs_from_the_images_own_is_believed_and_said(tmp_path: Path) -> None:
    data, frame = dicom(0)
    files = sound()
    files["IMAGES/s_L.dcm"] = data
    files["CF/s_L_CF.txt"] = b"0.09"
    for end, text in zip(("LI", "MA"), lines_of(frame), strict=True):
        files[f"LIMA-Profiles/A1/s_L-{end}.txt"] = text
    manifest, ledger = taken(files, tmp_path)
    assert ledger["IMAGES/s_L.dcm"].code == "spacing_differs"
    assert next(c.spacing_mm for c in manifest.cases if c.subject == "s") == (0.09, 0.09)


def test_a_dicom_frame_is_named_by_a_table_too(tmp_path: Path) -> None:
    files = lines_table(*[(f"{k}.tif", *FLAT, f"p{k}", "0.06") for k in range(5)])
    data, frame = dicom(1)
    upper, lower = (json.dumps(points.tolist()[::9]) for points in
                    (frame.lumen_intima, frame.media_adventitia))  # fmt: skip
    files["metadata.csv"] += f"\nus.dcm;{upper};{lower};p9;\n".encode()
    files["us.dcm"] = data
    manifest, ledger = taken(files, tmp_path)
    assert ledger["us.dcm"].fate == "used"
    assert {str(case.facts["spacing_source"]) for case in manifest.cases} == {"given", "dicom"}


def test_a_loop_and_another_modality_are_refused_by_name(tmp_path: Path) -> None:
    data, frame = dicom(2)
    files = sound()
    files["IMAGES/s_L.dcm"] = data[:900]
    for end, text in zip(("LI", "MA"), lines_of(frame), strict=True):
        files[f"LIMA-Profiles/A1/s_L-{end}.txt"] = text
    _, ledger = taken(files, tmp_path)
    assert ledger["IMAGES/s_L.dcm"].fate == "unreadable"
    assert ledger["IMAGES/s_L.dcm"].code in ("damaged_dicom", "no_pixels", "damaged_pixels")
