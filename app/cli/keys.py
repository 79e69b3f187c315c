"""`layertune keys`: who may do what; for admins."""

from typing import Annotated

import typer

from app.cli import show
from app.cli.root import api_of

commands = typer.Typer(help="API keys (for admins).", no_args_is_help=True)


@commands.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose key it is")],
    role: Annotated[
        str, typer.Option(help="viewer, clinician, researcher or admin")
    ] = "researcher",
    workspace: Annotated[str, typer.Option(help="Default: your own")] = "",
) -> None:
    """Makes a key and prints it, this once."""
    body = {"name": name, "role": role} | ({"workspace": workspace} if workspace else {})
    made = api_of(context).post("/v1/keys", body)
    show.out.print(f"{made['id']} for {name}, {role}. Keep it now; it is not shown again:")
    show.out.print(made["key"], soft_wrap=True)


@commands.command("list")
def list_(context: typer.Context) -> None:
    """Lists the keys; never their secrets."""
    rows = [
        (item["id"], item["name"], item["role"], item.get("workspace"), item.get("hint"),
         item.get("revoked_at") or "")
        for item in api_of(context).items("/v1/keys")
    ]  # fmt: skip
    show.table("Keys", ("id", "name", "role", "workspace", "begins with", "revoked"), rows)


@commands.command()
def revoke(context: typer.Context, key: Annotated[str, typer.Argument(help="Id, key_…")]) -> None:
    """Withdraws a key."""
    api_of(context).send("DELETE", f"/v1/keys/{key}")
    show.out.print(f"{key} is revoked.")
