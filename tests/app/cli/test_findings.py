"""What is printed of a finding: where to look in a volume, how thick a wall is; and of a sweep."""

from typing import Any

import pytest

from app.cli import findings, show
from models.metrics import froc, froc_volumes

EMBOLUS = {
    "centre_voxel": [41.2, 250.6, 198.0], "centre_mm": [-34.25, 12.5, -120.75],
    "diameter_mm": 6.12, "score": 0.881, "series_instance_uid": None, "sop_instance_uid": None,
}  # fmt: skip
FROM_DICOM = EMBOLUS | {"series_instance_uid": "1.2.3", "sop_instance_uid": "1.2.3.41"}


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show.out, "_width", 200)


def printed(*emboli: dict[str, Any], present: bool = True) -> str:
    found = {"present": present, "score": 0.881 if emboli else 0.02, "emboli": list(emboli)}
    point = {"name": "fp_per_volume=2", "threshold": 0.4}
    with show.out.capture() as got:
        findings.finding({
            "prediction_id": "prd_1", "finding": found, "operating_point": point,
            "model": {"id": "mdl_1", "arm": "depth:3"},
        })  # fmt: skip
    return got.get()


def test_an_embolus_is_told_by_voxel_and_by_millimetre() -> None:
    said = printed(EMBOLUS)
    for part in ("present  0.881", "1 embolus, best first", "41, 251, 198", "6.1",
                 "-34.2, 12.5, -120.8", "fp_per_volume=2: threshold 0.400"):  # fmt: skip
        assert part in said
    assert "SOP" not in said and "{" not in said


def test_an_embolus_of_a_dicom_series_names_its_slice() -> None:
    said = printed(FROM_DICOM, EMBOLUS)
    assert "2 emboli" in said and "1.2.3.41" in said


def test_a_volume_without_an_embolus_has_no_table() -> None:
    said = printed(present=False)
    assert "not found  0.020" in said and "voxel" not in said


def test_many_emboli_are_counted_and_the_best_of_them_printed() -> None:
    assert "and 5 more of lower scores" in printed(*[EMBOLUS] * 25)


def sweep(validation: dict[str, Any]) -> str:
    run = {"id": "run_1", "arm": "depth:1", "state": "succeeded", "validation": validation}
    with show.out.capture() as got:
        show.runs({"id": "swp_1", "backbone": "tiny", "runs": [run]})
    return got.get()


def test_a_sweep_says_what_its_headline_measures_where_the_name_does_not() -> None:
    value = {"value": 0.8, "low": 0.7, "high": 0.9}
    low, high = froc_volumes.RATES[0], froc_volumes.RATES[-1]
    volumes = sweep({"froc": value, "volume_auc": value})
    assert f"sensitivity per embolus at {low} to {high} false positives per volume" in volumes
    low, high = froc.SPAN
    assert f"{low:g} to {high:g} false positives per frame" in sweep({"froc": value, "dice": value})
    assert "false positives" not in sweep({"auc": value})
    assert "a line's distance over the wall's thickness" in sweep({"agreement": value})


WALL = {
    "lumen_intima": [[84.0, 301.42]], "media_adventitia": [[84.0, 313.1]],
    "imt_mm": {"mean": 0.71, "max": 0.934}, "imt_px": {"mean": 11.83, "max": 15.57},
    "spacing_mm": 0.06, "spacing_source": "dicom", "roi_px": [84.0, 262.0, 610.0, 350.0],
    "columns": {"traced": 1512, "left_out": 14},
}  # fmt: skip


def told(found: dict[str, Any], *warnings: dict[str, str]) -> str:
    with show.out.capture() as got:
        findings.finding({"prediction_id": "prd_1", "finding": found, "warnings": list(warnings)})
    return got.get()


def test_a_walls_thickness_is_told_with_its_spacing_and_no_list_of_points() -> None:
    said = told(WALL)
    for part in ("thickness: mean 0.71 mm, max 0.93 mm", "mean 11.8 px, max 15.6 px",
                 "0.06 mm a pixel (dicom)", "1,512 columns traced, 14 left out",
                 "looked at 84,262 to 610,350"):  # fmt: skip
        assert part in said
    assert "301" not in said and "{" not in said


def test_a_wall_without_a_spacing_is_told_in_pixels() -> None:
    found = WALL | {"imt_mm": None, "spacing_mm": None, "spacing_source": None}
    said = told(found, {"code": "no_spacing", "detail": "give spacing_mm"})
    assert "thickness: mean 11.8 px, max 15.6 px" in said and "warning: give spacing_mm" in said
    assert " mm" not in said.replace("spacing_mm", "")


def test_a_frame_without_a_wall_says_so() -> None:
    nothing = {"imt_mm": None, "imt_px": None, "roi_px": None, "spacing_mm": [0.05, 0.1]}
    said = told(WALL | nothing | {"columns": {"traced": 0, "left_out": 400}})
    assert "no far wall found" in said and "400 left out" in said
