"""Where lanes come from: a fork server that has imported once what every lane needs.

To import torch and what stands on it takes seven seconds of a processor (docs/measurements.md),
which a sweep would pay at its start and again after each kill. `multiprocessing`'s fork server pays
them once per worker, when its first lane is wanted, or at its start where a sweep is under way; a
later lane is a fork, 30 ms away.
It has one thread, opens nothing and computes nothing: memory, crashes and CUDA are still a lane's
own. When it dies the next lane starts another one.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

LANE, PRELOADED = "worker.lane", "worker.preloaded"
ABANDONED = 255  # the status of a fork whose server went before it

_forks = get_context("forkserver")
_forks.set_forkserver_preload([PRELOADED])


def warm(environment: Mapping[str, str]) -> None:
    """Starts the server if there is none; does not wait for what it imports. `environment` is what
    it is given that the worker has not.
    """
    with _beside(environment):
        forkserver.ensure_running()


def start(
    words: Sequence[str], pipe: Connection, environment: Mapping[str, str]
) -> ForkServerProcess:
    """A lane with these arguments, tied to the writing end of `pipe`; `environment`: see `warm`."""
    process = _forks.Process(target=_live, args=(tuple(words), pipe), daemon=True)
    warm(environment)
    process.start()
    return process


@contextmanager
def _beside(environment: Mapping[str, str]) -> Iterator[None]:
    """More in this process's environment for a moment: the server takes what it finds."""
    added = {name: value for name, value in environment.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _live(words: Sequence[str], pipe: Connection) -> None:
    """The whole life of a lane; its title is the command that would start it by hand."""
    os.setsid()
    given = [*words, "--pipe", str(pipe.fileno())]
    os.environ["SPT_NOENV"] = "1"  # a title must not run over the environment that others read
    titles = import_module("setproctitle")  # here, as it begins its work when it is imported
    titles.setproctitle(" ".join([sys.executable, "-m", LANE, *given]))
    sys.argv = [LANE, *given]
    sys.exit(import_module(LANE).main())
