"""A packed volume is looked at slice by slice; a case that is an image has none."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from app.storage import files
from models import pack
from models.case import NO_PIXELS, Case
from models.findings import Labels
from models.imaging.volumes.stored import pack_labels, pack_volume
from models.pack import Manifest, PackedCase
from models.pictures import volume_preview
from tests.app import rows
from tests.models.pictures.chests import chest, lying

CLASSES = ("other", "embolus")


@pytest.fixture
def made(tmp_path: Path) -> str:
    """A data set of two volumes, the second without a mask."""
    roles = []
    with pack.writing(tmp_path / "p.zip") as writer:
        for k, (volume, things) in enumerate((chest(), lying()), start=1):
            roles.append({"volume": f"volumes/{k:06d}.vol"})
            writer.add(roles[-1]["volume"], pack_volume(volume))
            if k == 1:
                roles[-1]["emboli"] = f"emboli/{k:06d}.vol"
                writer.add(roles[-1]["emboli"], pack_labels(things))
        cases = tuple(
            PackedCase(f"case_{k:06d}", f"s{k}", held, split="train")
            for k, held in enumerate(roles, start=1)
        )
        writer.finish(
            Manifest("pulmonary_embolism", "nifti", CLASSES, cases, writer.members, "embolus")
        )
    files().put_file("packs/volumes.zip", tmp_path / "p.zip")
    return rows.dataset(task="pulmonary_embolism", pack="packs/volumes.zip", positive="embolus")


def path(dataset: str, case: int = 1) -> str:
    return f"/v1/datasets/{dataset}/cases/case_{case:06d}/preview.png"


def test_a_volume_is_shown_with_its_emboli(client: TestClient, made: str) -> None:
    volume, things = chest()
    reply = client.get(path(made))
    case = Case("case_000001", "s1", NO_PIXELS, volume=volume, things=things)
    assert reply.status_code == 200 and reply.headers["Content-Type"] == "image/png"
    assert reply.content == volume_preview(case, Labels(CLASSES, "embolus"))
    assert client.get(path(made, 2)).content.startswith(b"\x89PNG")


def test_every_slice_has_a_picture_and_an_etag_of_its_own(client: TestClient, made: str) -> None:
    first, last = (client.get(path(made), params={"slice": number}) for number in (0, 29))
    assert first.status_code == last.status_code == 200
    assert first.content != last.content
    tags = {reply.headers["ETag"] for reply in (first, last, client.get(path(made)))}
    assert len(tags) == 3
    held = {"If-None-Match": last.headers["ETag"]}
    assert client.get(path(made), params={"slice": 29}, headers=held).status_code == 304
    assert client.get(path(made), params={"slice": 0}, headers=held).status_code == 200


def test_a_slice_beyond_the_volume_is_refused_naming_those_there_are(
    client: TestClient, made: str
) -> None:
    for case, last in ((1, 29), (2, 79)):
        reply = client.get(path(made, case), params={"slice": last + 1})
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")
        (fault,) = reply.json()["errors"]
        assert fault["pointer"] == "query/slice"
        assert f"slices 0 to {last}" in reply.json()["detail"]


@pytest.mark.parametrize("asked", ["-1", "x", "1.5", "1e9", "99999999999999999999"])
def test_what_is_no_slice_is_refused(client: TestClient, made: str, asked: str) -> None:
    reply = client.get(path(made), params={"slice": asked})
    assert reply.status_code == 422 and reply.json()["errors"][0]["pointer"] == "query/slice"


def test_a_slice_of_an_image_is_refused(client: TestClient, tmp_path: Path) -> None:
    with pack.writing(tmp_path / "p.zip") as writer:
        writer.add("images/1.png", cv2.imencode(".png", np.zeros((64, 64), np.uint8))[1].tobytes())
        case = PackedCase("case_000001", "s1", {"image": "images/1.png"}, "benign", "train")
        writer.finish(
            Manifest("classification", "class_folders", ("benign",), (case,), writer.members)
        )
    files().put_file("packs/one.zip", tmp_path / "p.zip")
    made = rows.dataset(pack="packs/one.zip")
    reply = client.get(path(made), params={"slice": 0})
    assert reply.status_code == 422 and "are no volumes" in reply.json()["detail"]
    assert client.get(path(made)).status_code == 200
