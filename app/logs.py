"""Log lines of the workers and lanes: where an error came from, never what it said.

The message of an exception can quote the data: a file's name, a value of a header.
"""

import logging
import sys
import traceback
from types import TracebackType

Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
CHAIN_MAX = 10


class Wordless(logging.Formatter):
    """Tracebacks as frames and types of errors, without messages and without source lines."""

    def formatException(self, ei: Raised) -> str:  # noqa: N802 - logging's own name
        lines: list[str] = []
        error = ei[1]
        while error is not None and len(lines) < CHAIN_MAX:
            frames = traceback.extract_tb(error.__traceback__)
            places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
            lines.append(" < ".join([type(error).__qualname__, *reversed(places)]))
            error = error.__cause__ or error.__context__
        return "\n".join(lines)


def configure(level: str, program: str) -> None:
    """One handler on stderr for all that this process logs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Wordless(f"%(asctime)s %(levelname)s {program}[%(process)d] %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
