"""`layertune audit`: who did what, and whether the record of it still stands; for admins."""

from typing import Annotated

import typer

from app.cli import show
from app.cli.client import CliError
from app.cli.root import api_of

commands = typer.Typer(help="Who did what (for admins).", no_args_is_help=True)


@commands.command()
def verify(
    context: typer.Context,
    head: Annotated[
        str, typer.Option(help="A head that was printed before: is it still there?")
    ] = "",
) -> None:
    """Walks the audit's chain; exit code 1 where a row was changed, removed or cut off."""
    asked = {"head": head} if head else {}
    found = api_of(context).get("/v1/audit/verification", asked)
    if found["first_broken"] is not None:
        raise CliError(
            f"The audit is broken at row {found['first_broken']}: it was changed, or a row before "
            f"it is missing. The {found['rows']} rows before it follow one another."
        )
    if found["found"] is False:
        raise CliError(
            f"The head {head} is not in the audit: rows were cut off its end, or it was written "
            f"anew. The {found['rows']} rows that there are follow one another."
        )
    show.out.print(f"The audit is intact: {found['rows']} rows. Its head, to be noted elsewhere:")
    show.out.print(found["head"], soft_wrap=True)
