"""The ledger: what became of every uploaded file, and why an upload as a whole was refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Fate = Literal["used", "excluded", "unreadable", "ignored"]


@dataclass(frozen=True)
class LedgerEntry:
    """One uploaded file: its fate, why (`code`, `detail`), and the case it became part of.

    `used` is in the pack; `excluded` was understood but left out; `unreadable` could not be
    decoded; `ignored` is no data at all (`.DS_Store`, a licence text), or none that its case
    needs (a scout beside a series, a slice that is there twice).
    """

    file: str
    fate: Fate
    code: str | None = None
    detail: str | None = None
    case_id: str | None = None
    subject: str | None = None
    label: str | None = None
    split: str | None = None


def tally(ledger: Sequence[LedgerEntry]) -> tuple[int, int]:
    """Files that were uploaded and are not the leavings of a system, and lines left out."""
    lines = [line for line in ledger if line.fate != "ignored"]
    uploaded = sum(line.code not in ("missing_file", "ambiguous_file") for line in lines)
    return uploaded, sum(line.fate != "used" for line in lines)


@dataclass(frozen=True)
class Problem:
    """What is wrong, with which file (None: the upload as a whole), in a stable code and words."""

    code: str
    detail: str
    file: str | None = None

    def as_json(self) -> dict[str, str | None]:
        return {"file": self.file, "code": self.code, "detail": self.detail}


class RejectedError(Exception):
    """An upload that cannot be used as a whole: every reason, and the ledger as far as it got."""

    def __init__(
        self,
        problems: Sequence[Problem],
        ledger: Sequence[LedgerEntry] = (),
    ) -> None:
        super().__init__("; ".join(f"{problem.code}: {problem.detail}" for problem in problems))
        self.problems = [problem.as_json() for problem in problems]
        self.ledger = list(ledger)


def rejected(code: str, detail: str, file: str | None = None) -> RejectedError:
    """A refusal for one reason."""
    return RejectedError([Problem(code, detail, file)])
