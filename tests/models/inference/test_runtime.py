"""Networks without torch: right scores, from any thread, loaded once."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from models.inference import runtime
from models.inference.runtime import NetworkError, OpenVinoNetwork, Warm, load

MakeNetwork = Callable[..., Path]
ROOT = Path(__file__).parents[3]

# softmax(4, 0, 0): a patch that is purely red
RED = np.array([0.9647, 0.0177, 0.0177])


def patch(channel: int, size: int = 4) -> np.ndarray:
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[..., channel] = 255
    return pixels


def test_scores_are_those_worked_out_by_hand(make_network: MakeNetwork) -> None:
    network = load(make_network())
    assert (network.size, network.classes, network.device) == (4, 3, "cpu")
    scores = network.run(np.stack([patch(0), patch(1), patch(2)]))
    assert scores.dtype == np.float32
    for channel in range(3):
        np.testing.assert_allclose(scores[channel], np.roll(RED, channel), atol=1e-4)


def test_the_engine_tells_nobody_that_it_was_started(tmp_path: Path) -> None:
    """OpenVINO's telemetry would leave an id in the home folder, and a thread that sends."""
    code = (
        "import sys, threading, models.inference.runtime;"
        "assert sys.modules['openvino_telemetry'] is None;"
        "print([thread.name for thread in threading.enumerate()])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == "['MainThread']"
    assert list(tmp_path.iterdir()) == []


def test_a_patch_gets_the_same_scores_in_any_company(make_network: MakeNetwork) -> None:
    network = load(make_network(size=8))
    pixels = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), np.uint8)
    together = network.run(pixels)
    alone = np.concatenate([network.run(pixels[i : i + 1]) for i in range(7)])
    np.testing.assert_array_equal(together, alone)


def test_many_threads_share_a_network_and_get_their_own_scores(make_network: MakeNetwork) -> None:
    network = load(make_network())

    def ask(i: int) -> tuple[int, int]:
        return i % 3, int(network.run(patch(i % 3)[np.newaxis]).argmax())

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(200)))
    assert all(asked == answered for asked, answered in answers)


FIRST_AT_ONCE = """
import sys, threading
from pathlib import Path
import numpy as np
from models.inference.runtime import load
sys.setswitchinterval(1e-6)  # threads take turns as often as they can
together = threading.Barrier(8)
def ask():
    together.wait()
    network = load(Path(sys.argv[1]))
    together.wait()
    network.run(np.zeros((1, network.size, network.size, 3), np.uint8))
threads = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_the_first_uses_of_a_process_may_come_all_at_once(make_network: MakeNetwork) -> None:
    """A third of such processes stood still for ever, before networks were run once at loading."""
    path = str(make_network(size=32))

    def passes(_: int) -> bool:
        command = [sys.executable, "-c", FIRST_AT_ONCE, path]
        return subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode == 0

    with ThreadPoolExecutor(2) as pairs:
        assert all(pairs.map(passes, range(8)))


def test_wrong_patches_are_refused_with_what_is_expected(make_network: MakeNetwork) -> None:
    network = load(make_network())
    with pytest.raises(ValueError, match=r"not uint8 \[n, 4, 4, 3\]"):
        network.run(np.zeros((1, 5, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="float64"):
        network.run(np.zeros((1, 4, 4, 3)))  # type: ignore[arg-type]  # the mistake under test


def test_a_failed_inference_gives_its_request_back(make_network: MakeNetwork) -> None:
    network = load(make_network())
    assert isinstance(network, OpenVinoNetwork)
    lanes = network._idle.qsize()
    with pytest.raises(RuntimeError, match="under test"), network._requests(1):
        raise RuntimeError("under test")
    assert network._idle.qsize() == lanes
    assert network.run(patch(1)[np.newaxis]).argmax() == 1


def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(NetworkError, match=r"broken\.onnx"):
        load(path)


def test_a_network_of_other_inputs_is_refused(make_network: MakeNetwork) -> None:
    with pytest.raises(NetworkError, match=r"f32 .* uint8 \[n, size, size, 3\] is expected"):
        load(make_network(dtype=TensorProto.FLOAT))


@pytest.mark.parametrize(
    ("processor", "allowed", "precision"),
    [(False, True, "f32"), (True, False, "f32"), (True, None, "f32"), (False, None, "f32")],
)
def test_bf16_needs_both_processor_and_card(
    make_network: MakeNetwork,
    monkeypatch: pytest.MonkeyPatch,
    processor: bool,
    allowed: bool | None,
    precision: str,
) -> None:
    monkeypatch.setattr(runtime, "has_bf16", lambda: processor)
    assert load(make_network(), bf16=allowed).precision == precision


@pytest.mark.skipif(not runtime.has_bf16(), reason="this processor has no bfloat16")
def test_bf16_is_used_where_both_have_it(make_network: MakeNetwork) -> None:
    assert load(make_network(), bf16=True).precision == "bf16"


class Fake:
    size, classes, precision, device = 4, 3, "f32", "cpu"

    def run(self, pixels: np.ndarray) -> np.ndarray:
        return np.zeros((len(pixels), 3), np.float32)


def test_a_network_asked_for_by_many_is_loaded_once() -> None:
    warm, loads, gate = Warm(), [], threading.Event()

    def slow() -> Fake:
        loads.append(1)
        gate.wait(5)
        return Fake()

    with ThreadPoolExecutor(6) as threads:
        waiting = [threads.submit(warm.get, "a", slow) for _ in range(6)]
        time.sleep(0.05)
        gate.set()
        networks = {id(one.result()) for one in waiting}
    assert len(loads) == 1
    assert len(networks) == 1


def test_the_network_used_longest_ago_is_let_go() -> None:
    warm, loads = Warm(capacity=2), []

    def make(name: str) -> Callable[[], Fake]:
        def loaded() -> Fake:
            loads.append(name)
            return Fake()

        return loaded

    for name in ("a", "b", "a", "c", "a", "b"):
        warm.get(name, make(name))
    assert loads == ["a", "b", "c", "b"]
    assert len(warm) == 2


def test_a_load_that_failed_is_tried_again() -> None:
    warm = Warm()

    def broken() -> Fake:
        raise NetworkError("under test")

    with pytest.raises(NetworkError):
        warm.get("a", broken)
    assert len(warm) == 0
    assert isinstance(warm.get("a", Fake), Fake)
