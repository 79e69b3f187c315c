"""Data sets are listed, shown, looked at and erased."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from app.db.session import reading, writing
from app.db.tables import Dataset, LedgerRow, Registration
from app.storage import files
from models import pack
from models.case import Case
from models.findings import Labels
from models.pack import Manifest, PackedCase
from models.pictures import case_preview
from tests.app import rows


def test_a_data_set_tells_what_its_check_found(client: TestClient) -> None:
    made = rows.dataset()
    body = client.get(f"/v1/datasets/{made}").json()
    assert body["counts"] == {"files": 71, "cases": 70, "subjects": 70, "excluded": 1}
    assert body["classes"] == {"benign": 40, "malignant": 30}
    assert body["splits"] == {"train": 50, "validation": 10, "test": 10}
    assert body["problems"] == [{"file": "benign/x.png", "code": "too_small", "detail": "1 x 1 px"}]
    assert body["digest"] == "d" * 64 and body["layout"] == "class_folders"


def test_an_unchanged_data_set_is_not_sent_again(client: TestClient) -> None:
    made = rows.dataset()
    etag = client.get(f"/v1/datasets/{made}").headers["ETag"]
    again = client.get(f"/v1/datasets/{made}", headers={"If-None-Match": etag})
    assert again.status_code == 304 and again.content == b""


def test_lists_come_in_pages_newest_first(client: TestClient) -> None:
    made = [rows.dataset(name=str(k)) for k in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = client.get(
            "/v1/datasets", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        )
        seen += [item["id"] for item in page.json()["items"]]
        cursor = page.json()["next_cursor"]
    assert seen == made[::-1] and cursor is None
    assert client.get("/v1/datasets", params={"limit": 201}).status_code == 422


def test_lists_can_be_narrowed(client: TestClient) -> None:
    ready, other = rows.dataset(), rows.dataset(task="frame_quality", state="rejected")
    found = client.get("/v1/datasets", params={"state": "rejected"}).json()["items"]
    assert [item["id"] for item in found] == [other]
    found = client.get("/v1/datasets", params={"task": "classification"}).json()["items"]
    assert [item["id"] for item in found] == [ready]


def test_the_ledger_tells_the_fate_of_every_file(client: TestClient) -> None:
    made = rows.dataset()
    first = client.get(f"/v1/datasets/{made}/cases", params={"limit": 50}).json()
    second = client.get(
        f"/v1/datasets/{made}/cases", params={"limit": 50, "cursor": first["next_cursor"]}
    ).json()
    entries = first["items"] + second["items"]
    assert len(entries) == 71 and second["next_cursor"] is None
    assert entries[0]["file"] == "benign/0.png" and entries[0]["split"] == "validation"
    excluded = client.get(f"/v1/datasets/{made}/cases", params={"fate": "excluded"}).json()
    assert [entry["code"] for entry in excluded["items"]] == ["too_small"]


def packed(tmp_path: Path) -> str:
    """A data set of one red image whose pack is stored."""
    _, png = cv2.imencode(".png", np.full((48, 64, 3), (0, 0, 200), np.uint8))
    with pack.writing(tmp_path / "p.zip") as writer:
        writer.add("images/000001.png", png.tobytes())
        case = PackedCase("case_000001", "s1", {"image": "images/000001.png"}, "benign", "train")
        writer.finish(
            Manifest("classification", "class_folders", ("benign",), (case,), writer.members)
        )
    files().put_file("packs/one.zip", tmp_path / "p.zip")
    return rows.dataset(pack="packs/one.zip")


def test_a_case_can_be_looked_at(client: TestClient, tmp_path: Path) -> None:
    made = packed(tmp_path)
    reply = client.get(f"/v1/datasets/{made}/cases/case_000001/preview.png")
    assert reply.status_code == 200 and reply.headers["Content-Type"] == "image/png"
    assert reply.content.startswith(b"\x89PNG")
    held = {"If-None-Match": reply.headers["ETag"]}
    again = client.get(f"/v1/datasets/{made}/cases/case_000001/preview.png", headers=held)
    assert again.status_code == 304
    missing = client.get(f"/v1/datasets/{made}/cases/case_000002/preview.png")
    assert missing.status_code == 404 and "case_000002" in missing.json()["detail"]


def test_the_classes_of_a_mask_are_named_as_the_pack_names_them(
    client: TestClient, tmp_path: Path
) -> None:
    pixels, mask = np.full((64, 64, 3), 90, np.uint8), np.zeros((64, 64), np.uint8)
    mask[8:30, 8:30], mask[34:60, 34:60] = 40, 200
    names, values = ("nerve", "vessel"), (40, 200)
    with pack.writing(tmp_path / "p.zip") as writer:
        for member, content in (("images/1.png", pixels), ("masks/1.png", mask)):
            writer.add(member, cv2.imencode(".png", content)[1].tobytes())
        roles = {"image": "images/1.png", "mask": "masks/1.png"}
        case = PackedCase("case_000001", "s1", roles, split="train")
        writer.finish(
            Manifest("segmentation", "image_mask_pairs", names, (case,), writer.members,
                     mask_values=values)
        )  # fmt: skip
    files().put_file("packs/masks.zip", tmp_path / "p.zip")
    made = rows.dataset(task="segmentation", pack="packs/masks.zip")
    reply = client.get(f"/v1/datasets/{made}/cases/case_000001/preview.png")
    told = Case("case_000001", "s1", pixels, mask=mask)
    assert reply.content == case_preview(told, Labels(names, None, values))
    assert reply.content != case_preview(told)


def test_there_is_no_preview_before_the_pack(client: TestClient) -> None:
    made = rows.dataset(state="checking", pack=None)
    reply = client.get(f"/v1/datasets/{made}/cases/case_000001/preview.png")
    assert reply.status_code == 409 and reply.json()["code"] == "not_ready"


def test_erasing_takes_pack_ledger_and_row_out_of_sight(client: TestClient) -> None:
    made = rows.dataset()
    name = f"packs/{made}.zip"
    files().put_bytes(name, b"pixels")
    assert client.delete(f"/v1/datasets/{made}").status_code == 204
    assert not files().exists(name)
    assert client.get(f"/v1/datasets/{made}").status_code == 404
    assert client.get("/v1/datasets").json()["items"] == []
    assert client.delete(f"/v1/datasets/{made}").status_code == 404
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(LedgerRow)) == 0


def test_a_pack_that_an_equal_data_set_shares_stays(client: TestClient) -> None:
    files().put_bytes("packs/shared.zip", b"pixels")
    one, two = rows.dataset(pack="packs/shared.zip"), rows.dataset(pack="packs/shared.zip")
    assert client.delete(f"/v1/datasets/{one}").status_code == 204
    assert files().exists("packs/shared.zip")
    assert client.delete(f"/v1/datasets/{two}").status_code == 204
    assert not files().exists("packs/shared.zip")


@pytest.mark.parametrize("finish", ["waiting", "queued", "running"])
def test_a_data_set_in_use_is_not_erased(client: TestClient, finish: str) -> None:
    made = rows.dataset()
    rows.sweep(dataset_id=made, finish=finish)
    reply = client.delete(f"/v1/datasets/{made}")
    assert reply.status_code == 409 and reply.json()["code"] == "in_use"
    assert client.get(f"/v1/datasets/{made}").status_code == 200


def test_a_waiting_registration_needs_its_data_set(client: TestClient) -> None:
    made = rows.dataset()
    sweep_id, runs = rows.sweep(dataset_id=made, states=("succeeded",), finish="succeeded")
    with writing() as session:
        session.add(
            Registration(
                id="mdl_1", workspace="default", created_by="k", sweep_id=sweep_id,
                run_id=runs[0], state="queued",
            )
        )  # fmt: skip
    assert client.delete(f"/v1/datasets/{made}").status_code == 409


def test_ended_sweeps_stay_readable_without_their_data_set(client: TestClient) -> None:
    made = rows.dataset()
    sweep_id, runs = rows.sweep(dataset_id=made, states=("succeeded",), finish="succeeded")
    assert client.delete(f"/v1/datasets/{made}").status_code == 204
    assert client.get(f"/v1/sweeps/{sweep_id}").json()["dataset_id"] == made
    assert client.get(f"/v1/runs/{runs[0]}").status_code == 200
    again = client.post("/v1/sweeps", json={"dataset_id": made, "backbone": "tiny"})
    assert again.status_code == 404


def test_another_workspace_sees_nothing(client_as: Callable[..., TestClient]) -> None:
    made, other = rows.dataset(), client_as("elsewhere")
    for path in ("", "/cases", "/cases/case_000001/preview.png"):
        reply = other.get(f"/v1/datasets/{made}{path}")
        assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
    assert other.delete(f"/v1/datasets/{made}").status_code == 404
    assert other.get("/v1/datasets").json()["items"] == []
    with reading() as session:
        assert session.get_one(Dataset, made).state == "ready"


def test_a_viewer_reads_and_erases_nothing(client_as: Callable[..., TestClient]) -> None:
    made, viewer = rows.dataset(), client_as("viewer")
    assert viewer.get(f"/v1/datasets/{made}").status_code == 200
    assert viewer.delete(f"/v1/datasets/{made}").status_code == 403
