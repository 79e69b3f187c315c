"""The command's root: where the service is, which key is used, and how a refusal is printed."""

import os
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from app.cli.client import Api, CliError
from app.cli.show import err


class Sentences(TyperGroup):
    """Turns a CliError into its sentence and exit code 1; anything else stays a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CliError as error:
            err.print(Text(str(error), style="red"))
            raise typer.Exit(1) from error


Url = Annotated[
    str,
    typer.Option(
        envvar="LAYERTUNE_URL",
        help="Where the service answers; default: this machine, port LAYERTUNE_PORT",
        show_default=False,
    ),
]
Key = Annotated[
    str,
    typer.Option(
        envvar="LAYERTUNE_KEY", help="API key; default: var/admin.key", show_default=False
    ),
]


def connect(context: typer.Context, url: Url = "", key: Key = "") -> None:
    """LayerTune: how deep to fine-tune, measured layer by layer. Research use only."""
    if context.obj is None:  # a test hands its own
        here = f"http://127.0.0.1:{os.environ.get('LAYERTUNE_PORT', '8000')}"
        context.obj = Api.connect(url or here, key)


def api_of(context: typer.Context) -> Api:
    """The client that the root made for this invocation."""
    found = context.find_root().obj
    assert isinstance(found, Api)  # noqa: S101 - set by `connect`, which runs before any command
    return found
