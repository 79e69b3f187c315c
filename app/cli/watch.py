"""Follows a sweep live: a bar per run in a terminal, a line per run where there is none."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from app.cli.client import Api, CliError, Event
from app.cli.show import headline, interval, out

Json = dict[str, Any]

ENDED = frozenset({"succeeded", "failed", "cancelled"})
RUN_ENDED = ENDED | {"skipped"}
RECONNECT_S = 1.0
RECONNECTS = 60  # in a row without a message, before giving up


def events(api: Api, sweep_id: str, wait: Callable[[float], None] = time.sleep) -> Iterator[Event]:
    """Every event until the sweep has ended, over as many connections as it takes.

    A broken connection is continued from the last event seen, so none is lost and none doubled.
    """
    last, failures = "", 0
    while failures < RECONNECTS:
        try:
            for event in api.stream(f"/v1/sweeps/{sweep_id}/events", last):
                last, failures = event.id or last, 0
                yield event
            if api.get(f"/v1/sweeps/{sweep_id}")["state"] in ENDED:
                return
        except (httpx.TransportError, CliError) as error:
            if isinstance(error, CliError) and failures == 0 and not last:
                raise  # refused from the start: no such sweep, no right to see it
        failures += 1
        wait(RECONNECT_S)
    raise CliError(
        f"The event stream stayed away for {RECONNECTS} tries; the sweep itself goes on. "
        f"Look again with `layertune sweeps watch {sweep_id}`."
    )


def facts(event: Event) -> Json:
    """An event's data with the run it is about as `run_id`, however the two are nested."""
    try:
        said = json.loads(event.data)
    except ValueError:
        return {}
    if not isinstance(said, dict):
        return {}
    inner = said.get("data")
    return {**said, **inner} if isinstance(inner, dict) else said


class Bars:
    """One live bar per run, fed by epochs and changes of state."""

    def __init__(self, sweep: Json) -> None:
        progress = sweep.get("progress") or {}
        self.epochs = max(1, round(progress.get("epochs", 1) / max(1, progress.get("runs", 1))))
        self.live = out.is_terminal
        self.progress = Progress(
            TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), Elapsed(),
            TextColumn("{task.fields[said]}"), console=out, disable=not self.live,
        )  # fmt: skip
        self.bars: dict[str, TaskID] = {}
        self.arms: dict[str, str] = {}
        for run in sweep["runs"]:
            self.arms[run["id"]] = run["arm"]
            self.bars[run["id"]] = self.progress.add_task(
                run["arm"], total=self.epochs, start=False, said=run["state"]
            )
        self.finishing = self.progress.add_task("finish", total=1, start=False, said="waiting")

    def shown(self) -> AbstractContextManager[object]:
        return self.progress if self.live else nullcontext()

    def take(self, event: Event) -> None:
        """Moves what an event is about."""
        said = facts(event)
        bar = self.bars.get(str(said.get("run_id")))
        if bar is None:
            if event.kind == "stage":
                self.progress.update(self.finishing, said=_stage(said))
            return
        if event.kind == "epoch":
            _, value = headline(said.get("validation") or {})
            self.progress.start_task(bar)
            self.progress.update(bar, completed=said.get("epoch", 0), said=_measured(value))
        elif event.kind == "stage":
            self.progress.update(bar, said=_stage(said))
        elif event.kind == "run":
            self._run(bar, str(said["run_id"]), said)

    def _run(self, bar: TaskID, run_id: str, said: Json) -> None:
        name, value = headline(said.get("validation") or {})
        if said.get("state") == "running":
            self.progress.start_task(bar)
        if said.get("state") in RUN_ENDED:
            self.progress.stop_task(bar)
            text = f"{said['state']} {name} {_measured(value)}" if value else str(said["state"])
            if said["state"] == "succeeded":
                self.progress.update(bar, completed=self.epochs)
            self.progress.update(bar, said=text)
            if not self.live:
                out.print(f"  {self.arms[run_id]:<10} {text}")
        else:
            self.progress.update(bar, said=str(said.get("state")))

    def end(self, state: str) -> None:
        self.progress.update(self.finishing, completed=1, said=state)


def _measured(value: object) -> str:
    if isinstance(value, dict):
        return interval(value)
    return f"{value:.3f}" if isinstance(value, float) else ""


def _stage(said: Json) -> str:
    done, total = said.get("done"), said.get("total")
    part = f" {done}/{total}" if total else ""
    return f"{said.get('stage', '')}{part}"


def watch(api: Api, sweep_id: str) -> Json:
    """Shows a sweep until it has ended; answers it as it then stands."""
    bars = Bars(api.get(f"/v1/sweeps/{sweep_id}"))
    with bars.shown():
        for event in events(api, sweep_id):
            bars.take(event)
        ended = api.get(f"/v1/sweeps/{sweep_id}")
        bars.end(ended["state"])
    return ended
