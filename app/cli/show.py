"""What the commands print: tables, summaries and the recommendation, in plain words."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = dict[str, Any]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

COLOURS = {
    "ready": "green", "succeeded": "green", "running": "cyan", "checking": "cyan",
    "failed": "red", "rejected": "red", "cancelled": "yellow", "paused": "yellow",
    "skipped": "dim",
}  # fmt: skip
FROC_OF_FRAMES = "mean sensitivity, 0.1 to 1 false positives per frame"
FROC_OF_VOLUMES = "mean sensitivity per embolus at 1 to 5 false positives per volume"
AGREEMENT = "1 less a line's distance over the wall's thickness, mean of columns and lines"
SHOWN_MOST = 10  # problems or warnings, before "and n more"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints one table; a column that starts with `>` is set to the right."""
    drawn = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for column in columns:
        drawn.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        drawn.add_row(*(cell if isinstance(cell, Text) else Text(_word(cell)) for cell in row))
    out.print(drawn)


def _word(value: object) -> str:
    return "" if value is None else str(value)


def state(name: str) -> Text:
    return Text(name, style=COLOURS.get(name, ""))


def interval(measured: Json | None) -> str:
    """`0.931 [0.902, 0.958]`, starred when from few subjects; a dash: nothing was measured."""
    if not measured or measured.get("value") is None:
        return "-"
    value = f"{measured['value']:.3f}"
    if measured.get("low") is None:
        return value
    few = "*" if measured.get("few_subjects") else ""
    return f"{value} [{measured['low']:.3f}, {measured['high']:.3f}]{few}"


def headline(measured: Json) -> tuple[str, Json | None]:
    """Name and value of a metric set's first entry: the contract puts the headline there."""
    return next(iter(measured.items()), ("", None))


def _notes(kind: str, notes: Sequence[Json], style: str) -> None:
    for note in notes[:SHOWN_MOST]:
        where = f"{note['file']}: " if note.get("file") else ""
        said = note.get("detail") or note.get("code", "")
        out.print(Text(f"  {kind}: {where}{said}", style=style))
    if len(notes) > SHOWN_MOST:
        out.print(f"  and {len(notes) - SHOWN_MOST} more, in `layertune datasets ledger`")


def dataset(found: Json) -> None:
    """A data set in full: what is in it, how it is divided, what is wrong with it."""
    out.print(Text.assemble((found["id"], "bold"), f"  {found['name']}  ", state(found["state"])))
    counts = found.get("counts") or {}
    if counts:
        out.print("  " + ", ".join(f"{number} {what}" for what, number in counts.items()))
    for what in ("layout", "classes", "splits", "digest"):
        if value := found.get(what):
            inside = (
                ", ".join(f"{name} {number}" for name, number in value.items())
                if isinstance(value, dict)
                else value
            )
            out.print(f"  {what}: {inside}")
    _notes("problem", found.get("problems") or [], "red")
    _notes("warning", found.get("warnings") or [], "yellow")


def runs(sweep: Json) -> None:
    """The table of depths: what each arm reached on validation, and at what cost."""
    chosen = (sweep.get("recommendation") or {}).get("run_id")
    rows: list[Sequence[object]] = []
    name, meaning, starred = "validation", "", False
    several = len({run.get("seed") for run in sweep["runs"]}) > 1
    for run in sweep["runs"]:
        found, value = headline(run.get("validation") or {})
        name = f"validation {found}" if found else name
        meaning = _meaning(run.get("validation") or {}) or meaning
        starred = starred or bool(value and value.get("few_subjects"))
        rows.append(
            (
                Text(run["arm"], style="bold green" if run["id"] == chosen else ""),
                state(run["state"]),
                interval(value),
                f"{run.get('seconds') or 0:.1f}",
                f"{run.get('trainable_parameters') or 0:,}",
                *([run["seed"]] if several else []),
                "<- chosen" if run["id"] == chosen else (run.get("stop_reason") or ""),
            )
        )
    seeds = [">seed"] if several else []
    columns = ("arm", "state", name, ">seconds", ">trainable", *seeds, "")
    table(f"Sweep {sweep['id']} on {sweep['backbone']}", columns, rows)
    if meaning:
        out.print(meaning)
    if starred:
        out.print("* few subjects: the interval is rough")


def _meaning(measured: Json) -> str:
    """What a headline measures whose name does not say it; a volume's metrics are known by one
    that only they have.
    """
    name = headline(measured)[0]
    if name == "agreement":
        return f"agreement: {AGREEMENT}"
    if name != "froc":
        return ""
    return f"froc: {FROC_OF_VOLUMES if 'volume_auc' in measured else FROC_OF_FRAMES}"


def recommendation(sweep: Json) -> None:
    """Which depth is enough, why, and which others could not be told from it."""
    chosen = sweep.get("recommendation")
    if not chosen:
        out.print(Text(f"No recommendation: the sweep is {sweep['state']}.", style="yellow"))
        for run in sweep["runs"]:
            if failure := run.get("failure"):
                out.print(f"  {run['arm']}: {failure.get('code')}: {failure.get('detail')}")
        return
    partial = " (partial: some depths did not finish)" if chosen.get("partial") else ""
    out.print(Text(f"Recommended: {chosen['arm']}{partial}", style="bold green"))
    out.print(f"  because: {chosen['reason']}")
    if alike := chosen.get("not_distinguished"):
        said = ", ".join(f"{arm['arm']} (p = {arm['p']:.2f})" for arm in alike)
        out.print(f"  could not be told apart: {said}; that does not make them equal")
    name, value = headline(chosen.get("test") or {})
    if value:
        out.print(f"  test part, opened once: {name} {interval(value)}")
    if not chosen.get("test"):
        out.print("  no test part: the figures above are from validation, and flatter")
    out.print(f"  model: {chosen.get('model_id')}")


def model(card: Json) -> None:
    """A model's card, the part a person asks for first."""
    out.print(Text.assemble((card["id"], "bold"), f"  {card.get('task')}"))
    out.print_json(data=card.get("card", card))
