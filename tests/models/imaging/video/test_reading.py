"""A video is read frame by frame, upright, at the times it says; what is broken has an outcome."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest

from models.imaging.video import cell
from models.imaging.video.kinds import HEAD_BYTES, container_of, still
from models.imaging.video.terms import Ended, Facts, Frame, Limits, VideoError
from tests.films import BLUE, GREEN, RED, coloured, cut_off, film, plain, scratched

ENDINGS = (".mp4", ".mov", ".avi", ".mkv", ".webm")


def read(
    path: Path, stride: int | None = None, tick: Callable[[], object] = lambda: None, **limits: Any
) -> tuple[list[Frame], Facts, Ended]:
    """All frames read of a film, and what was said of it."""
    container = container_of(path.read_bytes()[:HEAD_BYTES])
    assert container is not None
    with cell.read(path, container, stride, Limits(**limits), tick) as reading:
        frames = list(reading)
    assert reading.facts is not None
    assert reading.ended is not None
    return frames, reading.facts, reading.ended


def refused(path: Path, container: str = "mov", **limits: Any) -> VideoError:
    with (
        pytest.raises(VideoError) as raised,
        cell.read(path, container, None, Limits(**limits)) as reading,
    ):
        list(reading)
    return raised.value


def names(frames: list[Frame]) -> str:
    """The colours of frames, a letter each."""
    letters = "rgb"
    return "".join(letters[int(frame.pixels.mean(axis=(0, 1)).argmax())] for frame in frames)


# ---- what is read ---------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_container_is_read_frame_by_frame(tmp_path: Path, ending: str) -> None:
    clock = 10 if ending == ".avi" else 1000  # an AVI has a rate, and no times
    path = coloured(tmp_path / f"film{ending}", RED, GREEN, BLUE, clock=clock)
    frames, facts, ended = read(path, stride=1)
    assert names(frames) == "r" * 10 + "g" * 10 + "b" * 10
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.time_s for frame in frames] == pytest.approx([k / 10 for k in range(30)])
    assert (facts.width, facts.height, facts.fps) == (64, 48, pytest.approx(10, rel=0.01))
    assert facts.duration_s == pytest.approx(3.0, abs=0.1)
    assert (ended.frames, ended.broken, ended.reason) == (30, 0, "")
    assert ended.end_s == pytest.approx(3.0, abs=0.05)
    assert not ended.short_of(facts)


def test_about_five_frames_of_a_second_are_read_unless_a_stride_is_asked_for(
    tmp_path: Path,
) -> None:
    path = coloured(tmp_path / "film.mp4", RED, GREEN, each=50, fps=25)
    frames, facts, ended = read(path)
    assert (facts.stride, facts.expected, len(frames)) == (5, 20, 20)
    assert [frame.index for frame in frames] == list(range(0, 100, 5))
    assert ended.frames == 100  # skipped ones are decoded all the same
    frames, facts, _ = read(path, stride=40)
    assert [frame.time_s for frame in frames] == [0.0, 1.6, 3.2]
    assert facts.expected == 3


def test_a_rate_that_the_file_lies_about_is_measured(tmp_path: Path) -> None:
    """A live recording says a thousand frames a second: its clock's resolution."""
    path = film(
        tmp_path / "live.webm", [plain(RED)] * 60, fps=1000, times_s=[k / 20 for k in range(60)]
    )
    _, facts, _ = read(path)
    assert facts.fps == pytest.approx(20, rel=0.05)
    assert facts.stride == 4


def test_the_empty_chunks_of_an_avi_are_no_frames(tmp_path: Path) -> None:
    """Its header speaks of 2901 frames at a thousand a second; all but 30 of them are empty."""
    path = coloured(tmp_path / "film.avi", RED, GREEN, BLUE)
    frames, facts, ended = read(path, stride=1)
    assert (len(frames), facts.frames, facts.fps) == (30, None, pytest.approx(10))
    assert facts.duration_s == pytest.approx(3.0, abs=0.15)
    assert not ended.short_of(facts)


def test_the_times_of_a_varying_rate_are_those_of_the_film(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 0.9, 1.0, 2.5, 2.6]
    path = film(tmp_path / "film.mp4", [plain(RED)] * len(times), times_s=times)
    frames, _, ended = read(path, stride=1)
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=0.002)
    assert ended.end_s > 2.6


@pytest.mark.parametrize(
    ("turned_deg", "corner"), [(90, "lower left"), (-90, "upper right"), (180, "lower right")]
)
def test_a_film_that_was_taken_turned_is_read_upright(
    tmp_path: Path, turned_deg: int, corner: str
) -> None:
    stored = plain(BLUE)
    stored[:24, :32] = RED  # the upper left corner of what is stored
    frames, facts, _ = read(film(tmp_path / "film.mp4", [stored] * 4, turned_deg=turned_deg))
    shown = frames[0].pixels
    assert shown.shape == ((48, 64, 3) if turned_deg == 180 else (64, 48, 3))
    assert (facts.height, facts.width) == shown.shape[:2]
    assert facts.notes == ("rotated",)
    height, width = shown.shape[:2]
    rows = slice(height // 2, None) if "lower" in corner else slice(height // 2)
    columns = slice(width // 2, None) if "right" in corner else slice(width // 2)
    assert shown[rows, columns, 0].mean() > 200
    assert shown[..., 0].mean() < 80


def test_untagged_colours_of_a_large_film_are_those_of_high_definition(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "hd.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        frame = av.VideoFrame(1280, 720, "yuv420p")
        for plane, value in zip(frame.planes, (63, 102, 240), strict=True):  # BT.709's pure red
            plane.update(bytes([value]) * plane.buffer_size)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    frames, _, _ = read(tmp_path / "hd.mp4")
    assert np.abs(frames[0].pixels.mean(axis=(0, 1)) - (255, 0, 0)).max() < 4


def test_a_film_of_one_frame_is_a_film(tmp_path: Path) -> None:
    frames, facts, ended = read(film(tmp_path / "film.mp4", [plain(GREEN)]))
    assert (names(frames), facts.frames, ended.frames) == ("g", 1, 1)
    assert not ended.short_of(facts)


def test_sound_beside_the_picture_does_no_harm(tmp_path: Path) -> None:
    path = coloured(tmp_path / "film.mkv", RED, each=5, sound=True)  # half a second in a whole one
    frames, facts, ended = read(path, stride=1)
    assert len(frames) == 5
    assert not ended.short_of(facts)


# ---- what is broken -------------------------------------------------------------------------


def test_what_can_be_read_of_a_film_cut_off_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(60)]
    for ending in (".mp4", ".avi", ".mkv"):
        path = cut_off(film(tmp_path / f"film{ending}", pictures, clock=10), 0.6)
        frames, facts, ended = read(path, stride=1)
        assert 20 < len(frames) < 45, ending
        assert ended.short_of(facts), ending


def test_a_film_cut_off_before_its_index_is_unreadable(tmp_path: Path) -> None:
    path = cut_off(coloured(tmp_path / "film.mp4", RED, movflags="write_colr"), 0.3)
    assert refused(path).code == "unreadable_video"


def test_damage_in_the_middle_costs_its_frames_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(60)]
    path = scratched(film(tmp_path / "film.mp4", pictures, fps=10), 0.5, 2000)
    frames, _, ended = read(path, stride=1)
    assert 0 < ended.broken <= 60 - len(frames)
    assert frames[-1].time_s == pytest.approx(5.9, abs=0.3)


def test_each_kind_of_hopeless_file_has_its_own_word(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "noise").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 9)
    sound = film(tmp_path / "sound.mp4", [], sound=True)
    unknown = coloured(tmp_path / "unknown.mp4", RED)
    unknown.write_bytes(unknown.read_bytes().replace(b"avc1", b"zzzz"))
    small = film(tmp_path / "small.avi", [plain(RED, 6, 4)])
    assert refused(tmp_path / "empty").code == "empty_file"
    assert refused(tmp_path / "noise").code == "unreadable_video"
    assert refused(sound).code == "no_video"
    assert refused(unknown).code == "unknown_codec"
    assert refused(small, "avi").code == "too_small"


def test_a_film_without_a_whole_frame_has_nothing_to_answer_for(tmp_path: Path) -> None:
    path = coloured(tmp_path / "film.mp4", RED, each=3)
    data = path.read_bytes()
    at = data.index(b"mdat") + 4
    path.write_bytes(data[:at] + bytes(len(data) - at))
    assert "damaged" in refused(path).detail
    assert refused(path).code == "no_frames"


@pytest.mark.parametrize(
    ("ending", "code"),
    [(".avi", "no_frames"), (".mkv", "unreadable_video"), (".mp4", "no_video")],
)
def test_a_film_that_was_stopped_as_it_began_is_told_by_what_is_in_it(
    tmp_path: Path, ending: str, code: str
) -> None:
    path = tmp_path / f"film{ending}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.start_encoding()
    kinds = {".avi": "avi", ".mkv": "matroska", ".mp4": "mov"}
    assert refused(path, kinds[ending]).code == code


# ---- what is too much -----------------------------------------------------------------------


def test_limits_are_judged_by_the_header_and_named(tmp_path: Path) -> None:
    path = coloured(tmp_path / "film.mp4", RED, each=40)
    assert "64 x 48 pixels" in refused(path, pixels_max=1000).detail
    assert refused(path, pixels_max=1000).code == "too_large"
    assert refused(path, duration_max_s=3).code == "too_long"
    many = refused(path, frames_max=5)
    assert many.code == "too_many_frames"
    assert "a stride of 8 does" in many.detail
    assert len(read(path, stride=8, frames_max=5)[0]) == 5


def test_a_header_without_a_length_is_read_up_to_the_limit(tmp_path: Path) -> None:
    """As a browser records: nothing in the file says how long it is."""
    path = coloured(tmp_path / "live.mkv", RED, each=40, sound=True, live="1")
    frames, facts, ended = read(path, stride=1, frames_max=12)
    assert facts.duration_s is None
    assert (len(frames), ended.reason) == (12, "limit")
    frames, _, ended = read(path, stride=1, duration_max_s=2)
    assert frames[-1].time_s <= 2
    assert ended.reason == "limit"


def test_a_decoder_that_wants_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "film.avi", [plain(RED, 7680, 4320)], clock=10)
    found = refused(path, "avi", memory_bytes=640 << 20, pixels_max=8000 * 8000)
    assert found.code == "too_large"
    assert "640 MiB" in found.detail


def test_a_decoder_that_says_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell, "MODULE", "tests.models.imaging.video.mute")
    found = refused(coloured(tmp_path / "film.mp4", RED), silence_s=0.6)
    assert found.code == "decoder_stopped"
    assert "no frame for" in found.detail


def test_a_decoder_that_crashes_takes_nobody_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the first frame it is refused; after, what was read is answered for."""
    path = coloured(tmp_path / "film.mp4", RED, each=40)
    monkeypatch.setattr(cell, "MODULE", "tests.models.imaging.video.crashing")
    with cell.read(path, "mov", 1, Limits()) as reading:
        frames = list(reading)
    assert len(frames) == 3
    assert reading.ended is not None
    assert (reading.ended.reason, reading.ended.frames) == ("stopped", 3)
    assert "SIGSEGV" in reading.ended.detail


def test_whoever_stops_listening_leaves_no_decoder_behind(tmp_path: Path) -> None:
    path = coloured(tmp_path / "film.mp4", RED, each=200)

    class StopError(Exception):
        pass

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks > 5:
            raise StopError

    ticks = 0
    with pytest.raises(StopError):
        read(path, 1, tick)
    children = psutil.Process().children(recursive=True)
    assert not [child for child in children if "inside" in " ".join(child.cmdline())]


def test_a_decoder_whose_owner_is_killed_goes_too(tmp_path: Path) -> None:
    path = coloured(tmp_path / "film.mp4", RED, each=2000)
    code = (
        "import time\nfrom pathlib import Path\nfrom models.imaging.video import cell\n"
        "from models.imaging.video.terms import Limits\n"
        f"with cell.read(Path({str(path)!r}), 'mov', 1, Limits()) as reading:\n"
        "    next(iter(reading)); print(reading._cell._process.pid, flush=True); time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    decoder = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert not psutil.wait_procs([decoder], 5)[1]


def test_a_decoder_sees_nothing_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERTUNE_ADMIN_KEY", "lt_secret")
    path = coloured(tmp_path / "film.mp4", RED, each=200)
    with cell.read(path, "mov", 1, Limits()) as reading:
        next(iter(reading))
        assert reading._cell._process is not None
        seen = psutil.Process(reading._cell._process.pid).environ()
    assert not [name for name in seen if name.startswith(("LAYERTUNE_", "AWS_"))]
    assert "lt_secret" not in seen.values()


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    """What a file names is not fetched: the container is the one its bytes said, and one file."""
    secret = coloured(tmp_path / "secret.mp4", RED)
    listed = tmp_path / "list.m3u8"
    listed.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n")
    for container in ("mov", "matroska", "avi"):
        assert refused(listed, container).code == "unreadable_video"


# ---- what a file is -------------------------------------------------------------------------


def test_a_container_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    kinds = {".mp4": "mov", ".mov": "mov", ".avi": "avi", ".mkv": "matroska", ".webm": "matroska"}
    for ending, kind in kinds.items():
        path = coloured(tmp_path / f"film{ending}", RED, each=1)
        assert container_of(path.read_bytes()[:HEAD_BYTES]) == kind
    assert container_of(b"\0\0\0\x08wide\0\0\0\0mdat") == "mov"
    for other in (
        b"",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0WEBP",
        b"PK\x03\x04",
    ):
        assert container_of(other) is None


def test_a_still_image_in_a_films_clothes_is_no_film() -> None:
    for brand in (b"heic", b"avif", b"mif1"):
        head = b"\0\0\0\x18ftyp" + brand
        assert still(head)
        assert container_of(head) is None
    assert not still(b"\0\0\0\x18ftypisom")
