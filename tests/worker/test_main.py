"""What a worker is made of, asked in a fresh interpreter."""

import json
import subprocess
import sys

from worker.main import arguments


def loaded(statement: str) -> set[str]:
    """Names of the heavy packages that a fresh interpreter holds after the statement."""
    code = f"{statement}\nimport sys, json\nprint(json.dumps(list(sys.modules)))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return set(json.loads(made.stdout)) & {"torch", "fastapi", "openvino", "cv2"}


def test_a_worker_never_imports_torch_nor_anything_heavy() -> None:
    assert loaded("import worker.main") == set()


def test_the_prediction_worker_answers_without_torch() -> None:
    assert "torch" not in loaded("import worker.main, worker.predict")


def test_a_tuning_worker_tends_one_lane_and_sets_no_message_aside() -> None:
    given = arguments(("tune",))
    assert "--concurrency=1" in given
    assert "--disable-prefetch" in given
    assert "--pool=threads" in given


def test_a_prediction_finds_a_thread_beside_the_checks() -> None:
    assert "--concurrency=4" in arguments(("io", "predict"))  # 2 checks, 2 predictions
