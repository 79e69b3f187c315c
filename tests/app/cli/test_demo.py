"""The demo's own parts; the whole of it is `./run demo`, which acts through the real service."""

import csv
import os
import re
import sys
from pathlib import Path

import pytest

from app.cli import demo
from app.cli.client import CliError


def test_the_demos_frames_are_an_upload_with_subjects_and_both_classes(tmp_path: Path) -> None:
    written = demo.write_phantoms(tmp_path, 2)
    with (tmp_path / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["file_name"] for row in rows) == sorted(
        path.relative_to(tmp_path).as_posix() for path in written
    )
    assert len({row["subject"] for row in rows}) == 2
    assert {row["label"] for row in rows} == {"informative", "non_informative"}


def test_the_frames_asked_about_are_of_patients_that_were_not_tuned_on(tmp_path: Path) -> None:
    tuned = {path.read_bytes() for path in demo.write_phantoms(tmp_path / "frames", 1)}
    asked = demo._unseen(tmp_path / "unseen")
    assert [path.parent.name for path in asked] == ["informative", "non_informative"]
    assert not tuned & {path.read_bytes() for path in asked}


def test_a_service_that_does_not_come_up_is_explained_by_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, log = tmp_path / "state", tmp_path / "up.log"
    state.mkdir()
    quitter = tmp_path / "quitter"
    quitter.write_text("#!/bin/sh\necho port 8000 is taken\nexit 1\n")
    quitter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(quitter))
    with pytest.raises(CliError) as caught, demo.service(state, log, keep=False):
        pass
    assert str(caught.value).startswith("The service did not come up.")
    assert str(caught.value).endswith("port 8000 is taken")
    assert not state.exists()


def test_the_service_is_stopped_and_its_state_removed_though_the_tour_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, log = tmp_path / "state", tmp_path / "up.log"
    state.mkdir()
    monkeypatch.setenv("LAYERTUNE_DATABASE_URL", "postgresql://somebody/elses")
    stand_in = tmp_path / "stand_in"
    stand_in.write_text('#!/bin/sh\nenv\necho "ready http://127.0.0.1:1234"\nexec sleep 60\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    with pytest.raises(RuntimeError), demo.service(state, log, keep=False) as (url, key, pid):
        assert url == "http://127.0.0.1:1234"
        assert key.startswith("lt_")
        os.kill(pid, 0)
        raise RuntimeError("the tour failed")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not state.exists()
    said = dict(re.findall(r"^(LAYERTUNE_\w+)=(.*)$", log.read_text(), re.MULTILINE))
    assert said["LAYERTUNE_VAR"] == str(state)
    assert "LAYERTUNE_DATABASE_URL" not in said
