"""`layertune models`, `deploy` and `deployments`: what was made, and what answers now."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import show
from app.cli.client import Api
from app.cli.datasets import progress
from app.cli.root import api_of

commands = typer.Typer(help="The registered models.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="Id of the model, mdl_…")]


@commands.command("list")
def list_(context: typer.Context) -> None:
    """Lists the models of your workspace."""
    rows = [
        (item["id"], item["task"], item.get("arm"), item.get("backbone"), item.get("created_at"))
        for item in api_of(context).items("/v1/models")
    ]
    show.table("Models", ("id", "task", "arm", "backbone", "made"), rows)


@commands.command("show")
def show_(context: typer.Context, model: Model) -> None:
    """Shows a model's card."""
    show.model(api_of(context).get(f"/v1/models/{model}"))


@commands.command()
def download(
    context: typer.Context,
    model: Model,
    file: Annotated[
        str, typer.Option(help="weights.safetensors, model.onnx or card.json")
    ] = "model.onnx",
    out: Annotated[
        Path | None, typer.Option(help="Where to write it; default: its own name")
    ] = None,
) -> None:
    """Downloads one file of a model."""
    target = out or Path(file)
    with progress() as bars:
        bar = bars.add_task(file, total=None)
        api_of(context).download(
            f"/v1/models/{model}/files/{file}",
            target,
            lambda done, total: bars.update(bar, completed=done, total=total or None),
        )
    show.out.print(f"{target} holds {file} of {model}.")


def put(api: Api, model_id: str, name: str = "", point: str = "") -> dict[str, Any]:
    """Deploys a model under a name (default: its task's); answers the deployment."""
    name = name or api.get(f"/v1/models/{model_id}")["task"]
    body = {"model_id": model_id} | ({"operating_point": point} if point else {})
    return api.put(f"/v1/deployments/{name}", body)


def deploy(
    context: typer.Context,
    model: Model,
    name: Annotated[str, typer.Option(help="Name of the deployment; default: the task's")] = "",
    operating_point: Annotated[
        str, typer.Option(help="A point of the card, such as fpr=0.10")
    ] = "",
) -> None:
    """Puts a model to work; deploying the former one again is the rollback."""
    made = put(api_of(context), model, name, operating_point)
    show.out.print(f"{made['name']} is answered by {made['model_id']} from now on.")


def deployments(context: typer.Context) -> None:
    """Lists what answers now."""
    rows = [
        (
            item["name"],
            item.get("task"),
            item["model_id"],
            item.get("version"),
            item.get("created_at"),
        )
        for item in api_of(context).items("/v1/deployments")
    ]
    show.table("Deployments", ("name", "task", "model", ">version", "since"), rows)
