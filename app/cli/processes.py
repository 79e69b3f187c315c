"""The service's processes as commands, and what keeps them; a process of long life replaces this
one, so signals reach it directly.
"""

import importlib
import os
import sys
from typing import Annotated

import typer

from app.cli import show
from app.cli.client import CliError


def _become(*arguments: str) -> None:
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - our own interpreter


def api(
    host: Annotated[str, typer.Option(envvar="LAYERTUNE_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="LAYERTUNE_PORT", min=0, max=65535)] = 8000,
) -> None:
    """Serves the HTTP API."""
    server = (
        "-m",
        "uvicorn",
        "--factory",
        "app.main:create_app",
        "--no-access-log",
        "--timeout-graceful-shutdown",
        "5",
    )
    _become(*server, "--host", host, "--port", str(port))


def worker(
    queues: Annotated[
        str, typer.Option(help="Of io, predict and tune, comma-separated")
    ] = "io,predict",
) -> None:
    """Serves queues: checks and predictions, or tuning."""
    _become("-m", "worker.main", "--queues", queues)


def migrate() -> None:
    """Brings the database to the newest revision."""
    importlib.import_module("app.cli.migrate").migrate()


def copy(
    source: Annotated[str, typer.Argument(help="file:///folder or s3://bucket/prefix")],
    target: Annotated[str, typer.Argument(help="The same; what is there already is left alone")],
) -> None:
    """Copies a file store to another: a backup of a bucket, or its restoring."""
    between = importlib.import_module("app.storage.copying").between
    try:
        count, total = between(source, target)
    except (OSError, ValueError) as error:
        raise CliError(f"{error}. A copy that is started again goes on where it stopped") from error
    show.out.print(f"{count} objects copied, {total} bytes; all others were there.")


def up() -> None:
    """Starts the whole embedded stack, and stops it on Ctrl-C."""
    # Imported by name: the supervisor's imports would slow every other command down.
    importlib.import_module("app.cli.up").up()


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the service running at the end")
    ] = False,
) -> None:
    """Shows the main job end to end on synthetic frames, in under three minutes."""
    importlib.import_module("app.cli.demo").demo(keep=keep)
