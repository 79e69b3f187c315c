"""`layertune sweeps`: start a sweep over depths, follow it live, read its recommendation."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import show
from app.cli.client import CliError
from app.cli.root import api_of
from app.cli.watch import watch as follow

commands = typer.Typer(help="Sweep tuning depths and choose one.", no_args_is_help=True)

Sweep = Annotated[str, typer.Argument(help="Id of the sweep, swp_…")]


def listed(text: str, kind: type[int] | type[float] | type[str] = str) -> list[Any]:
    """`0,1,2` as a list; raises CliError naming the value that does not fit."""
    try:
        return [kind(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise CliError(f"{text!r} is not a list of {kind.__name__} like 1,2,3.") from error


def body_of(
    dataset: str,
    arms: str,
    seeds: str,
    fractions: str,
    recipe: dict[str, Any],
    rest: dict[str, Any],
) -> dict[str, Any]:
    """The request of a sweep: only what was given, so that the service's defaults stand."""
    body: dict[str, Any] = {"dataset_id": dataset}
    if arms:
        body["arms"] = "all" if arms == "all" else listed(arms)
    if seeds:
        body["seeds"] = listed(seeds, int)
    if fractions:
        body["fractions"] = listed(fractions, float)
    if given := {name: value for name, value in recipe.items() if value is not None}:
        body["recipe"] = given
    return body | {name: value for name, value in rest.items() if value}


def show_plan(reply: dict[str, Any]) -> None:
    """What a dry run answered: every field, as the service said it."""
    show.out.print("Nothing was started. It would be:")
    show.out.print_json(data=reply)


@commands.command()
def start(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Id of the data set, ds_…")],
    backbone: Annotated[str, typer.Option(help="Pre-trained network")] = "",
    init: Annotated[str, typer.Option(help="imagenet, or a model mdl_… to continue from")] = "",
    arms: Annotated[str, typer.Option(help="all, or a list: depth:1,depth:3,scratch")] = "",
    policy: Annotated[str, typer.Option(help="exhaustive or until_plateau")] = "",
    preset: Annotated[str | None, typer.Option(help="Recipe: modern, paper, patches")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    head_learning_rate: Annotated[float | None, typer.Option()] = None,
    optimiser: Annotated[str | None, typer.Option(help="adamw or sgd")] = None,
    weight_decay: Annotated[float | None, typer.Option()] = None,
    variants: Annotated[int | None, typer.Option(help="Augmented copies per patch")] = None,
    seeds: Annotated[str, typer.Option(help="A list: 0,1")] = "",
    fractions: Annotated[str, typer.Option(help="Shares of the training part: 0.25,0.5,1")] = "",
    budget_minutes: Annotated[float | None, typer.Option(min=0)] = None,
    name: Annotated[str, typer.Option(help="What people will call it")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost; start nothing")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to the end")] = False,
) -> None:
    """Starts a sweep over tuning depths of a data set."""
    recipe = {
        "preset": preset, "epochs": epochs, "batch_size": batch_size,
        "learning_rate": learning_rate, "head_learning_rate": head_learning_rate,
        "optimiser": optimiser,
        "weight_decay": weight_decay, "variants": variants,
    }  # fmt: skip
    rest = {
        "backbone": backbone, "init": init, "policy": policy, "name": name,
        "budget_minutes": budget_minutes, "dry_run": dry_run,
    }  # fmt: skip
    reply = api_of(context).post(
        "/v1/sweeps", body_of(dataset, arms, seeds, fractions, recipe, rest)
    )
    if dry_run:
        show_plan(reply)
    elif watch:
        _watch(context, reply["id"])
    else:
        show.out.print(f"{reply['id']} is {reply['state']}: layertune sweeps watch {reply['id']}")


@commands.command("list")
def list_(context: typer.Context) -> None:
    """Lists the sweeps of your workspace."""
    rows = []
    for item in api_of(context).items("/v1/sweeps"):
        progress = item.get("progress") or {}
        rows.append(
            (item["id"], item.get("name"), item["task"], item["backbone"],
             show.state(item["state"]), f"{progress.get('runs_done', 0)}/{progress.get('runs', 0)}",
             (item.get("recommendation") or {}).get("arm"))
        )  # fmt: skip
    columns = ("id", "name", "task", "backbone", "state", ">runs", "recommended")
    show.table("Sweeps", columns, rows)


@commands.command("show")
def show_(context: typer.Context, sweep: Sweep) -> None:
    """Shows the table of depths and the recommendation as they stand now."""
    found = api_of(context).get(f"/v1/sweeps/{sweep}")
    show.runs(found)
    show.recommendation(found)


def _watch(context: typer.Context, sweep_id: str) -> None:
    found = follow(api_of(context), sweep_id)
    show.runs(found)
    show.recommendation(found)
    if found["state"] == "failed":
        raise CliError("The sweep failed: the failures above say why.")
    if model := (found.get("recommendation") or {}).get("model_id"):
        show.out.print(f"Next: layertune deploy {model}")


@commands.command()
def watch(context: typer.Context, sweep: Sweep) -> None:
    """Follows a sweep with a live bar per run, to its end."""
    _watch(context, sweep)


def _ask(context: typer.Context, sweep: str, what: str) -> None:
    reply = api_of(context).post(f"/v1/sweeps/{sweep}/{what}")
    show.out.print(f"{sweep} is {reply.get('state', 'asked to ' + what)}.")


@commands.command()
def cancel(context: typer.Context, sweep: Sweep) -> None:
    """Stops a sweep; finished runs and the best so far are kept."""
    _ask(context, sweep, "cancel")


@commands.command()
def pause(context: typer.Context, sweep: Sweep) -> None:
    """Holds a sweep at its last checkpoint."""
    _ask(context, sweep, "pause")


@commands.command()
def resume(context: typer.Context, sweep: Sweep) -> None:
    """Lets a held sweep go on."""
    _ask(context, sweep, "resume")


@commands.command()
def plot(
    context: typer.Context,
    sweep: Sweep,
    out: Annotated[Path, typer.Option(help="File to write, .svg or .png")] = Path("sweep.svg"),
) -> None:
    """Saves the picture of headline against depth."""
    kind = out.suffix.lstrip(".").lower()
    if kind not in ("svg", "png"):
        raise CliError(
            f"{out} is neither .svg nor .png: name the file with one of the two endings."
        )
    out.write_bytes(api_of(context).send("GET", f"/v1/sweeps/{sweep}/plot.{kind}").content)
    show.out.print(f"{out} holds the plot.")
