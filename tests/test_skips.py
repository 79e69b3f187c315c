"""Where CI is set, a skip is a failure, unless the machine itself lacks what no one can install."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def outcomes(folder: Path, code: str, ci: str) -> str:
    """The last line of a pytest run over one file, such as `1 failed, 1 skipped in 0.01s`."""
    (folder / "test_it.py").write_text(f"import pytest\n{code}\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.skips", "-p", "no:cacheprovider",
         "--rootdir", folder, "-c", "/dev/null", folder / "test_it.py"],
        cwd=folder, env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return ran.stdout.splitlines()[-1]


ABSENT = "def test_a(): pytest.skip('PostgreSQL is not installed')"


def test_a_skip_fails_where_ci_is_set_and_only_there(tmp_path: Path) -> None:
    assert outcomes(tmp_path, ABSENT, "true").startswith("1 failed")
    assert outcomes(tmp_path, ABSENT, "").startswith("1 skipped")


def test_a_module_that_skips_itself_fails_too(tmp_path: Path) -> None:
    code = "pytest.importorskip('no_such_package', reason='no such package')\ndef test_a(): pass"
    assert outcomes(tmp_path, code, "true").startswith("1 error")


MAY_LACK = ("no CUDA device", "needs a GPU", "this processor has no bfloat16",
            "the real images are not at /somewhere/shared/data/busi")  # fmt: skip


def test_what_a_machine_cannot_be_given_may_be_skipped(tmp_path: Path) -> None:
    tests = (
        f"@pytest.mark.skipif(True, reason={reason!r})\ndef test_{number}(): pass"
        for number, reason in enumerate(MAY_LACK)
    )
    assert outcomes(tmp_path, "\n".join(tests), "true").startswith(f"{len(MAY_LACK)} skipped")


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    code = "@pytest.mark.xfail\ndef test_a(): assert False"
    assert outcomes(tmp_path, code, "true").startswith("1 xfailed")
