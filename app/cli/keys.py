"""`layertune keys` and `layertune audit`: who may do what, and who did what; for admins."""

from typing import Annotated

import typer

from app.cli import show
from app.cli.client import CliError
from app.cli.root import api_of

commands = typer.Typer(help="API keys (for admins).", no_args_is_help=True)
audit = typer.Typer(help="Who did what (for admins).", no_args_is_help=True)


@commands.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose key it is")],
    role: Annotated[
        str, typer.Option(help="viewer, clinician, researcher or admin")
    ] = "researcher",
    workspace: Annotated[str, typer.Option(help="Default: your own")] = "",
    expires: Annotated[
        str, typer.Option(help="When it ends: 2027-01-31T00:00:00Z; default: never")
    ] = "",
    rate: Annotated[float, typer.Option(help="Requests per second; 0: the service's limit")] = 0,
    upload_bytes: Annotated[int, typer.Option(help="Largest upload; 0: the service's limit")] = 0,
) -> None:
    """Makes a key and prints it, this once."""
    given = {
        "workspace": workspace, "expires_at": expires, "rate_per_s": rate,
        "upload_max_bytes": upload_bytes,
    }  # fmt: skip
    body = {"name": name, "role": role} | {key: value for key, value in given.items() if value}
    made = api_of(context).post("/v1/keys", body)
    show.out.print(f"{made['id']} for {name}, {role}. Keep it now; it is not shown again:")
    show.out.print(made["key"], soft_wrap=True)


@commands.command("list")
def list_(context: typer.Context) -> None:
    """Lists the keys; never their secrets."""
    rows = [
        (item["id"], item["name"], item["role"], item.get("workspace"), item.get("hint"),
         item.get("last_used_at") or "never", item.get("expires_at") or "",
         item.get("revoked_at") or "")
        for item in api_of(context).items("/v1/keys")
    ]  # fmt: skip
    show.table(
        "Keys",
        ("id", "name", "role", "workspace", "begins with", "last used", "ends", "revoked"),
        rows,
    )


@commands.command()
def rotate(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Id, key_…")],
    grace: Annotated[
        float, typer.Option(help="Seconds that the old secret works on; 0: it ends at once")
    ] = 86_400,
    expires: Annotated[str, typer.Option(help="A new end of the key; default: as it is")] = "",
) -> None:
    """Gives a key a new secret and prints it, this once."""
    body = {"grace_s": grace} | ({"expires_at": expires} if expires else {})
    made = api_of(context).post(f"/v1/keys/{key}/rotate", body)
    show.out.print(f"{key} has a new secret. Keep it now; it is not shown again:")
    show.out.print(made["key"], soft_wrap=True)


@commands.command()
def revoke(context: typer.Context, key: Annotated[str, typer.Argument(help="Id, key_…")]) -> None:
    """Withdraws a key."""
    api_of(context).send("DELETE", f"/v1/keys/{key}")
    show.out.print(f"{key} is revoked.")


@audit.command()
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
