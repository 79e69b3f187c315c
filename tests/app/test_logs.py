"""What an exception says may name a patient: a log tells where it came from and nothing else."""

import logging

import pytest

from app.logs import Wordless


def raised() -> logging.LogRecord:
    try:
        try:
            raise ValueError("cannot read Musterfrau.png")
        except ValueError as error:
            raise RuntimeError("Musterfrau again") from error
    except RuntimeError as error:
        return logging.LogRecord("x", logging.ERROR, "f", 1, "ds_1: the check failed", None,
                                 (type(error), error, error.__traceback__))  # fmt: skip


def test_a_traceback_has_places_and_types_and_no_words() -> None:
    said = Wordless("%(levelname)s %(message)s").format(raised())
    assert "Musterfrau" not in said
    head, outer, inner = said.splitlines()
    assert head == "ERROR ds_1: the check failed"
    assert outer.startswith("RuntimeError < ") and inner.startswith("ValueError < ")
    assert "test_logs.py" in outer and " raised" in outer


@pytest.mark.parametrize("depth", [3, 50])
def test_a_chain_of_causes_ends(depth: int) -> None:
    error: BaseException = ValueError("0")
    for number in range(depth):
        later = ValueError(str(number))
        later.__cause__ = error
        error = later
    said = Wordless().formatException((ValueError, error, None))
    assert len(said.splitlines()) == min(depth + 1, 10)
