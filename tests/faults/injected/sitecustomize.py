"""Loaded by every Python process of a stack under test: harm at an exact place, when it is armed.

Nothing of the service is replaced: a few of its functions are wrapped, and a wrapper looks for a
file named after its place in $FAULTS. There it does what the file says (a signal, an error of the
operating system, a limit) and goes on. Without $FAULTS this module does nothing.

A file is used up by the first process that takes it, unless it says `"keep": true`; what was taken
lies beside it with the moment in it, so that a test knows when the harm was done.
"""

import importlib.util
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

FAULTS = os.environ.get("FAULTS", "")


def here(place: str, **facts: Any) -> None:
    """Does what is armed for this place, if anything is."""
    armed = Path(FAULTS) / place
    if not armed.exists():
        return
    with suppress(OSError):
        wish = json.loads(armed.read_text())
        if any(str(facts.get(name)) != value for name, value in wish.get("if", {}).items()):
            return
        if wish.get("after", 0) > 0:
            armed.write_text(json.dumps({**wish, "after": wish["after"] - 1}))
            return
        taken = armed.with_name(f"{place}.taken")
        if wish.get("keep"):
            with taken.open("a") as file:
                file.write(f"{time.time()} {os.getpid()}\n")
        else:
            armed.rename(taken)
            taken.write_text(f"{time.time()} {os.getpid()}\n")
        return act(wish, facts)


def act(wish: dict[str, Any], facts: dict[str, Any]) -> None:
    if wish["do"] == "signal":
        if wish.get("half"):  # what a write that was cut leaves
            os.truncate(facts["path"], facts["path"].stat().st_size // 2)
        number = int(wish.get("signal", signal.SIGKILL))
        for pid in victims(wish.get("pids", ["self"])):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        while "self" in wish.get("pids", ["self"]) and number == signal.SIGKILL:
            time.sleep(1)
    elif wish["do"] == "limit":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        room = pages * resource.getpagesize() + int(wish["bytes"])
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
    elif wish["do"] == "sleep":
        time.sleep(float(wish["seconds"]))


def victims(names: list[int | str]) -> Iterator[int]:
    """Pids, the parent first: it must not see its child die before it does."""
    own = {"parent": worker(), "self": os.getpid()}
    for name in sorted(names, key=lambda name: name == "self"):
        pid = own[name] if isinstance(name, str) else name
        if pid > 1:  # a process whose parent has died is init's
            yield pid


def worker() -> int:
    """The pid of this lane's worker, or of a check's: a lane comes out of the worker's nursery."""
    parent = os.getppid()
    if b"forkserver" not in Path(f"/proc/{parent}/cmdline").read_bytes():
        return parent
    stat = Path(f"/proc/{parent}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


# ---- the places ---------------------------------------------------------------------------------


def around(before: Callable[..., None], after: Callable[..., None] = lambda *_, **__: None) -> Any:
    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **named: Any) -> Any:
            before(*args, **named)
            answer = function(*args, **named)
            after(answer, *args, **named)
            return answer

        return wrapped

    return wrap


def transactions(patiently: Callable[..., Any]) -> Callable[..., Any]:
    """Three places around each transaction of a lane or a check, by the name of what it does."""

    def wrapped(act: Callable[..., Any]) -> Any:
        name = getattr(act, "__qualname__", "").replace(".<locals>", "")

        def inside(session: Any) -> Any:
            answer = act(session)
            session.flush()
            here(f"in {name}")
            return answer

        here(f"before {name}")
        answer = patiently(inside)
        if answer is not None or not name.startswith("claim"):
            here(f"after {name}")
        return answer

    return wrapped


def stages(self: Any, stage: str, done: int, total: int) -> None:
    here(f"stage {stage}", run=self.run_id)


def deployed(_: Any, self: Any, *__: Any, **___: Any) -> None:
    kept = {type(row).__name__ for row in self.session.identity_map.values()}
    for kind in kept & {"Deployment", "Dataset", "Sweep"}:
        here(f"committed {kind}")


def shift() -> float:
    """Seconds that this process's own clock is wrong by, as the file `clock <pid>` says."""
    armed = Path(FAULTS) / f"clock {os.getpid()}"
    try:
        by = float(armed.read_text())
    except (OSError, ValueError):
        return 0.0
    with suppress(OSError):
        armed.with_name(f"{armed.name}.taken").touch()
    return by


def shifted(moment: Callable[[], Any], unit: Callable[[float], Any]) -> Callable[[], Any]:
    def wrapped() -> Any:
        by = shift()
        return moment() + unit(by) if by else moment()

    return wrapped


def half_written(path: Path) -> None:
    if "checkpoint" in path.name and path.name.endswith(".part"):
        here("write checkpoint", path=path)


PLACES: dict[str, dict[str, Callable[..., Any]]] = {
    "worker.alive": {"patiently": transactions},
    "worker.training": {"Stages.__call__": around(stages)},
    "models.tuning.pretrained": {"_sync": around(half_written)},
    "models.ingest": {"_manifest": around(lambda *_, **__: here("packing"))},
    "app.storage.folder": {"in_chunks": around(lambda *_, **__: here("copy"))},
    "app.datasets.service": {"create": around(lambda *_, **__: here("before create"))},
    "app.db.columns": {"now": partial(shifted, unit=lambda by: timedelta(seconds=by))},
    "app.registry.deployments": {
        "deploy": around(lambda *_, **__: None, lambda *_, **__: here("in deploy"))
    },
    "sqlalchemy.orm.session": {
        "SessionTransaction.commit": around(lambda *_, **__: None, deployed)
    },
}  # fmt: skip


class Wrapping(Loader):
    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        for path, wrap in PLACES[module.__name__].items():
            *owners, name = path.split(".")
            owner: Any = module
            for part in owners:
                owner = getattr(owner, part)
            setattr(owner, name, wrap(getattr(owner, name)))


class Finder(MetaPathFinder):
    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name not in PLACES:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            spec.loader = Wrapping(spec.loader)
        return spec


if FAULTS:
    sys.meta_path.insert(0, Finder())
    time.time = shifted(time.time, float)
    time.time_ns = shifted(time.time_ns, lambda by: int(by * 1e9))
    nice = os.nice
    os.nice = lambda by: nice(0)  # the machine under test may be busy with other things
