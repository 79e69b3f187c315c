"""A worker: a thin Celery process that hears bells, keeps its pulse, and starts lanes.

It never imports torch: what trains is a process of its own (worker.lane), so that memory, crashes
and CUDA end with it.
"""

import argparse
import os
import socket
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from celery.signals import setup_logging, worker_shutting_down

from app import logs
from app.queue import QUEUES, queue
from app.settings import settings
from worker import jobs
from worker.alive import Pulse
from worker.children import stopping
from worker.leftovers import Broom

ALL_QUEUES = tuple(dict.fromkeys(QUEUES.values()))
KILL_S = 2.0  # to kill a child whose time to stop is over, and to note it


def main(queues: Sequence[str] = ALL_QUEUES, name: str = "") -> None:
    """Works for `queues` until SIGTERM or SIGINT; ends when the children have given back."""
    unknown = [given for given in queues if given not in ALL_QUEUES]
    if unknown or not queues:
        raise SystemExit(f"worker: no queue {unknown}; there are: {', '.join(ALL_QUEUES)}")
    logs.configure(settings().log_level, "%(name)s")
    setup_logging.connect(_stays, weak=False)
    jobs.worker_name = name or f"{'+'.join(queues)}@{socket.gethostname()}:{os.getpid()}"
    if QUEUES["predict"] in queues:
        import_module("worker.predict")  # brings the inference engine, of no use to a tuning worker
    pulse = Pulse(jobs.worker_name, queues, jobs.answer_aside)

    def stops(**_: Any) -> None:
        stopping.set()

    worker_shutting_down.connect(stops, weak=False)
    Broom(objects=QUEUES["check"] in queues).start()
    if QUEUES["tune"] in queues:
        jobs.expect_lanes()
    pulse.start()  # before the broker is found: without one the table alone is the queue
    try:
        queue.worker_main(arguments(queues))
    finally:
        stopping.set()
        jobs.drain(settings().grace_s + KILL_S)
        pulse.leave()


def _stays(**_: Any) -> None:
    """Celery leaves the logs as they are: its own would print what an exception said."""


def arguments(queues: Sequence[str]) -> list[str]:
    """Celery's own: threads, for a forked child would be one more thing that outlives a kill, and
    nothing here computes; one lane at a time, and beside checks a thread free for predictions.
    """
    threads = 1 if tuple(queues) == ("tune",) else 2 + jobs.CHECKS
    return [
        "worker", "--pool=threads", f"--concurrency={threads}", f"--queues={','.join(queues)}",
        "--disable-prefetch", "--without-gossip", "--without-mingle", "--without-heartbeat",
        f"--hostname={jobs.worker_name.replace(':', '-')}", f"--loglevel={settings().log_level}",
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="worker")
    parser.add_argument("--queues", default=",".join(ALL_QUEUES))
    parser.add_argument("--name", default="")
    given = parser.parse_args()
    main(given.queues.split(","), given.name)
