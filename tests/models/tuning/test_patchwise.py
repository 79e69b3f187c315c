"""The paper's way from a pack to a table, with a small network and few pixels."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.imaging.wall.patchwise import CLASSES
from models.pack import Manifest, PackedCase, writing
from models.tuning import patchwise
from tests.models.imaging.wall.pictures import frame

PARTS = ("train",) * 4 + ("validation",) * 2 + ("test",) * 2


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pack") / "pack.zip"
    cases = []
    with writing(out) as writer:
        for k, part in enumerate(PARTS):
            pixels, lines = frame(height=300, width=320, far=180 + 5 * k, slope=0.02 * k)
            name = f"case_{k + 1:06d}"
            writer.add(f"images/{name}.png", cv2.imencode(".png", pixels)[1].tobytes())
            kept = {"lumen_intima": lines[0].tolist(), "media_adventitia": lines[1].tolist()}
            cases.append(
                PackedCase(
                    name,
                    f"s{k}",
                    {"image": f"images/{name}.png"},
                    "intima_media",
                    part,
                    (0.06, 0.06),
                    {"lines": kept},
                )
            )
        manifest = Manifest("intima_media", "cubs", (), tuple(cases), writer.members)
        writer.finish(manifest)
    return out


def test_an_arm_is_trained_swept_and_measured_as_lines(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(pack), "--out", str(tmp_path / "runs"), "--backbone", "tiny", "--arms", "depth:6",
             "--epochs", "6", "--each", "16", "--step", "64"]  # fmt: skip
    patchwise.main(given)
    told = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert told["way"] == "patches, depth:6" and told["frame_s"] > 0
    assert told["agreement"] > 0.3  # of one that knows nothing it is 0
    assert told["lumen_intima_um"] < 600
    (run,) = (path for path in (tmp_path / "runs").iterdir() if (path / "result.json").is_file())
    written = (run / "result.json").stat().st_mtime_ns
    patchwise.main(given)
    assert (run / "result.json").stat().st_mtime_ns == written  # not trained again


def test_patches_of_a_pack_have_as_many_of_each_class_and_no_second_view(
    pack: Path, tmp_path: Path
) -> None:
    plan = patchwise.Plan(
        pack, patchwise.backbones()["tiny"], None, patchwise.recipe(epochs=1), tmp_path, each=5
    )
    with patchwise.Pack.open(pack) as opened:
        found = patchwise.cut(opened, plan)
    assert found.variants == 1 and found.labels.names == CLASSES
    np.testing.assert_array_equal(np.bincount(found.classes), [20, 20, 20])
    assert len(found.validation) == 2 * 15
    assert {row.subject for row in found.train_rows} == {"s0", "s1", "s2", "s3"}
