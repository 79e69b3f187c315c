"""A store copied to another: whole, again without work, and through the command."""

from pathlib import Path

from typer.testing import CliRunner

from app.cli.main import app
from app.storage import Files
from app.storage.copying import copy
from app.storage.folder import Folder


def test_a_copy_is_whole_and_a_second_one_copies_what_is_new(store: Files, tmp_path: Path) -> None:
    store.put_bytes("packs/a.zip", b"one")
    store.put_bytes("uploads/x", b"two!")
    away = Folder(tmp_path / "backup")
    assert copy(store, away) == (2, 7)
    store.put_bytes("weights/w.safetensors", b"three")
    store.delete("uploads/x")
    assert copy(store, away) == (1, 5)
    assert sorted(away.names()) == ["packs/a.zip", "uploads/x", "weights/w.safetensors"]


def test_what_is_copied_back_is_the_same(store: Files, tmp_path: Path) -> None:
    away = Folder(tmp_path / "backup")
    away.put_bytes("packs/a.zip", bytes(3 << 20))
    (tmp_path / "backup" / "packs" / "a.zip").chmod(0o400)
    assert copy(away, store) == (1, 3 << 20)
    assert store.get_bytes("packs/a.zip") == bytes(3 << 20)


def test_half_an_object_is_copied_anew(tmp_path: Path) -> None:
    here, away = Folder(tmp_path / "here"), Folder(tmp_path / "away")
    here.put_bytes("packs/a.zip", b"whole")
    away.put_bytes("packs/a.zip", b"wh")
    assert copy(here, away) == (1, 5)
    assert away.get_bytes("packs/a.zip") == b"whole"


def test_the_command_copies_and_refuses_what_is_no_store(tmp_path: Path) -> None:
    Folder(tmp_path / "here").put_bytes("packs/a.zip", b"one")
    urls = [f"file://{tmp_path / name}" for name in ("here", "away")]
    ran = CliRunner().invoke(app, ["copy", *urls])
    assert ran.exit_code == 0, ran.output
    assert "1 objects copied, 3 bytes" in ran.output
    refused = CliRunner().invoke(app, ["copy", "ftp://somewhere", urls[0]])
    assert refused.exit_code == 1
    assert "use file:///folder or s3://bucket/prefix" in " ".join(refused.output.split())
