"""The child's end of the pipe to its worker: how a lane or a check hears that it should stop."""

import argparse
import logging
import os
import signal
import threading
from dataclasses import dataclass

from app import logs
from app.settings import settings

log = logging.getLogger(__name__)

NICE = 10  # the API and predictions go first on a machine that is shared with training


@dataclass(frozen=True)
class Tether:
    """`stop` is set on SIGTERM and when the worker has gone; `owner` goes into the leases."""

    row_id: str
    owner: str
    stop: threading.Event


def tie(program: str) -> Tether:
    """Reads the child's arguments, lowers its priority and starts to listen for the end."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("row_id")
    parser.add_argument("--owner", required=True)
    parser.add_argument("--pipe", type=int, help="read end of a pipe from the worker")
    given = parser.parse_args()
    logs.configure(settings().log_level, program)
    os.nice(NICE)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if given.pipe is not None:
        threading.Thread(target=_listen, args=(given.pipe, stop), daemon=True).start()
    return Tether(given.row_id, given.owner, stop)


def _listen(pipe: int, stop: threading.Event) -> None:
    while os.read(pipe, 1):  # nothing is ever written: this waits for end of file
        pass
    log.warning("the worker has gone; giving the work back")
    stop.set()
    # A step that never ticks again must not keep an orphan alive; its lease brings the row back.
    threading.Event().wait(settings().grace_s)
    os._exit(os.EX_TEMPFAIL)
