"""The `layertune` command: the API's client, and the single processes of the stack."""

import typer

from app.cli import datasets, keys, predict, processes, registry, sweeps
from app.cli.root import Sentences, connect

app = typer.Typer(cls=Sentences, callback=connect, no_args_is_help=True, add_completion=False)

app.add_typer(datasets.commands, name="datasets")
app.add_typer(sweeps.commands, name="sweeps")
app.add_typer(registry.commands, name="models")
app.add_typer(keys.commands, name="keys")
app.add_typer(keys.audit, name="audit")
app.command()(registry.deploy)
app.command()(registry.deployments)
app.command()(predict.predict)
for process in (
    processes.api, processes.worker, processes.migrate, processes.copy, processes.up,
    processes.demo,
):  # fmt: skip
    app.command(rich_help_panel="Processes")(process)

if __name__ == "__main__":
    app()
