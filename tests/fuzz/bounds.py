"""`python -m tests.fuzz.bounds WHAT ...`: what runs in a child, with little memory and time.

It says on its standard output, one JSON line for each thing done; what it dies of is for the other
end (tests.fuzz.bounded) to tell.
"""

import importlib
import json
import resource
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

FAMILY = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
LAST = "last"  # the example at work, kept on disk: it is the evidence when the child dies


class TooSlowError(BaseException):
    """Nothing that is read catches this."""


def peak_mb() -> int:
    """Of this process, or of the largest child that it has waited for."""
    return max(resource.getrusage(whose).ru_maxrss for whose in FAMILY) >> 10


def address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def bound(more_mb: int) -> None:
    """No more memory than now and so many MiB, for good; no core that holds what was read."""
    most = address_space() + (more_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _too_slow)


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError


def watch(seconds: float) -> None:
    """Ends what follows after so much of the processor's time; 0 ends the watch."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def cpu_s() -> float:
    """Of this process and the children that it has waited for."""
    spent = [resource.getrusage(whose) for whose in FAMILY]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main() -> int:
    module, *arguments = sys.argv[1:]
    importlib.import_module(f"tests.fuzz.{module}").main(*arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
