"""`layertune predict`: one file in, one finding out, and the picture of it if wanted."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import show
from app.cli.client import Api, CliError
from app.cli.root import api_of

WAIT_S = 30


def ask(api: Api, task: str, file: Path, fields: dict[str, str]) -> dict[str, Any]:
    """The finding for one file, waited for where it comes through the queue."""
    if not file.is_file():
        raise CliError(f"{file} does not exist: name an image to be read.")
    with file.open("rb") as stream:
        files = {"file": (file.name, stream)}
        response = api.send("POST", f"/v1/predictions/{task}", data=fields, files=files)
    envelope: dict[str, Any] = response.json()
    while envelope.get("state") in ("queued", "running"):
        where = f"/v1/predictions/{envelope.get('prediction_id') or envelope['id']}"
        envelope = api.get(where, {"wait_s": WAIT_S})
    if envelope.get("state") == "failed":
        failure = envelope.get("failure") or {}
        raise CliError(f"The prediction failed: {failure.get('detail', 'no reason was kept')}")
    return envelope


def save_picture(api: Api, task: str, file: Path, fields: dict[str, str], out: Path) -> None:
    """Asks again for the finding as a picture, and keeps it."""
    with file.open("rb") as stream:
        reply = api.send(
            "POST", f"/v1/predictions/{task}", data=fields,
            files={"file": (file.name, stream)}, headers={"Accept": "image/png"},
        )  # fmt: skip
    out.write_bytes(reply.content)


def predict(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="Clinical question, such as frame_quality")],
    file: Annotated[Path, typer.Argument(help="The image")],
    picture: Annotated[
        Path | None, typer.Option(help="Also save the finding drawn, as PNG")
    ] = None,
    deployment: Annotated[
        str, typer.Option(help="Name of the deployment; default: the task's")
    ] = "",
    model: Annotated[str, typer.Option(help="A model mdl_… instead of a deployment")] = "",
    operating_point: Annotated[str, typer.Option(help="A point of the card, or a threshold")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print the reply as it came")] = False,
) -> None:
    """Asks the deployed model about one image."""
    given = {"deployment": deployment, "model_id": model, "operating_point": operating_point}
    fields = {name: value for name, value in given.items() if value}
    envelope = ask(api_of(context), task, file, fields)
    if json:
        show.out.print_json(data=envelope)
    else:
        show.finding(envelope)
    if picture:
        save_picture(api_of(context), task, file, fields, picture)
        show.out.print(f"{picture} holds the picture.")
