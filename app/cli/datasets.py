"""`layertune datasets`: upload a folder or an archive, and see what became of every file."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli import show
from app.cli.client import Api, CliError
from app.cli.root import api_of
from app.cli.zipping import opened

commands = typer.Typer(help="Upload data sets and see what is in them.", no_args_is_help=True)

CHECK_S = 0.5
Dataset = Annotated[str, typer.Argument(help="Id of the data set, ds_…")]


def progress() -> Progress:
    """The bar of anything measured in bytes; silent where there is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=show.out, disable=not show.out.is_terminal)


def upload(api: Api, path: Path, fields: dict[str, str]) -> dict[str, Any]:
    """Sends a folder or an archive; answers the data set as it was accepted."""
    with progress() as bars:
        bar = bars.add_task(f"uploading {path.name}", total=None)
        stream = opened(path, lambda count: bars.advance(bar, count))
        bars.update(bar, total=stream.total_bytes)
        try:
            return api.upload("/v1/datasets", fields, "archive", stream.name, stream)
        finally:
            stream.close()


def wait(api: Api, dataset_id: str, pause: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Waits until the check has ended; answers the data set, ready or rejected."""
    with show.out.status("checking every file"):
        while (found := api.get(f"/v1/datasets/{dataset_id}"))["state"] not in (
            "ready",
            "rejected",
        ):
            pause(CHECK_S)
    return found


@commands.command()
def add(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="Archive (zip, tar, tar.gz, tar.zst) or folder")],
    task: Annotated[str, typer.Option(help="Clinical question, such as classification")],
    name: Annotated[
        str, typer.Option(help="What people will call it; default: the file's name")
    ] = "",
    positive: Annotated[str, typer.Option(help="Positive class of a binary task")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the check")] = False,
) -> None:
    """Uploads a data set and says what became of it."""
    api = api_of(context)
    fields = {"task": task, "name": name or path.resolve().stem}
    found = upload(api, path, fields | ({"positive": positive} if positive else {}))
    found = found if no_wait else wait(api, found["id"])
    show.dataset(found)
    if found["state"] == "rejected":
        raise CliError(
            "The data set was rejected for the problems above: mend them and add it again."
        )
    if found["state"] == "ready":
        show.out.print(f"Next: layertune sweeps start {found['id']} --watch")


@commands.command("list")
def list_(
    context: typer.Context,
    task: Annotated[str, typer.Option(help="Only of this task")] = "",
) -> None:
    """Lists the data sets of your workspace."""
    found = api_of(context).items("/v1/datasets")
    rows = [
        (item["id"], item["name"], item["task"], show.state(item["state"]),
         (item.get("counts") or {}).get("cases"), item.get("created_at"))
        for item in found if not task or item["task"] == task
    ]  # fmt: skip
    show.table("Data sets", ("id", "name", "task", "state", ">cases", "made"), rows)


@commands.command("show")
def show_(context: typer.Context, dataset: Dataset) -> None:
    """Shows one data set: counts, split, problems and warnings."""
    show.dataset(api_of(context).get(f"/v1/datasets/{dataset}"))


@commands.command()
def ledger(
    context: typer.Context,
    dataset: Dataset,
    fate: Annotated[str, typer.Option(help="Only used, excluded, unreadable or ignored")] = "",
) -> None:
    """Lists every uploaded file and its fate."""
    found = api_of(context).items(f"/v1/datasets/{dataset}/cases")
    rows = [
        (item["file"], item["fate"], item.get("code"), item.get("subject"), item.get("label"),
         item.get("split"), item.get("detail"))
        for item in found if not fate or item["fate"] == fate
    ]  # fmt: skip
    columns = ("file", "fate", "code", "subject", "label", "split", "detail")
    show.table(f"Ledger of {dataset}", columns, rows)


@commands.command()
def delete(context: typer.Context, dataset: Dataset) -> None:
    """Erases a data set that no sweep uses."""
    api_of(context).send("DELETE", f"/v1/datasets/{dataset}")
    show.out.print(f"{dataset} is erased.")
