"""`layertune predict`: an image, video or volume in, a finding out, and a picture if wanted."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from app.cli import findings, show
from app.cli.client import Api, CliError
from app.cli.root import api_of
from app.cli.zipping import opened

SpacingMm = Annotated[
    str, typer.Option(help="Of an image: mm per pixel, or row,column; else answers are in pixels")
]
RoiPx = Annotated[
    str,
    typer.Option(
        help="Of an image: where to look, x0,y0,x1,y1 of a box or x0,y0;x1,y1 of two points"
    ),
]
Json = dict[str, Any]
Heard = Callable[[Json], None]

WAIT_S = 1  # between two looks at one that is in work
WAITING = ("queued", "running")


def ask(
    api: Api, task: str, file: Path, fields: dict[str, str], heard: Heard = lambda _: None
) -> Json:
    """The finding for one file, waited for where it comes through the queue.

    `heard` is told of every look at one that is in work. Ctrl-C stops the work and not only the
    waiting.
    """
    if not file.exists():
        raise CliError(f"{file} does not exist: name an image, a video or a volume to be read.")
    envelope: Json
    if file.is_dir():
        envelope = _sent_folder(api, task, file, fields)
    else:
        envelope = _sent(api, task, file, fields).json()
    where = f"/v1/predictions/{envelope.get('prediction_id') or envelope.get('id')}"
    try:
        while envelope.get("state") in WAITING:
            heard(envelope)
            envelope = api.get(where, {"wait_s": WAIT_S})
    except KeyboardInterrupt:
        api.post(f"{where}/cancel")
        raise
    if envelope.get("state") == "failed":
        failure = envelope.get("failure") or {}
        raise CliError(f"The prediction failed: {failure.get('detail', 'no reason was kept')}")
    if envelope.get("state") == "cancelled":
        raise CliError("The prediction was cancelled: send the file again.")
    return envelope


def _sent(api: Api, task: str, file: Path, fields: dict[str, str], **headers: str) -> Any:
    with file.open("rb") as stream:
        return api.send(
            "POST", f"/v1/predictions/{task}", data=fields,
            files={"file": (file.name, stream)}, headers=headers,
        )  # fmt: skip


def _sent_folder(api: Api, task: str, folder: Path, fields: dict[str, str]) -> Json:
    """A folder of DICOM files as the one zip that the service takes, made while it is sent."""
    stream = opened(folder, lambda _: None)
    try:
        return api.upload(f"/v1/predictions/{task}", fields, "file", stream.name, stream)
    finally:
        stream.close()


def watched(api: Api, task: str, file: Path, fields: dict[str, str]) -> Json:
    """The same with a bar that moves stage by stage; nothing is drawn without a terminal."""
    bars = Progress(
        TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), Elapsed(),
        console=show.out, disable=not show.out.is_terminal, transient=True,
    )  # fmt: skip
    with bars:
        bar = bars.add_task("sending", total=None)

        def heard(envelope: Json) -> None:
            progress = envelope.get("progress") or {"stage": "waiting", "done": 0, "total": None}
            bars.update(
                bar, description=progress["stage"], completed=progress["done"],
                total=progress["total"],
            )  # fmt: skip

        return ask(api, task, file, fields, heard)


def save_picture(api: Api, task: str, file: Path, fields: dict[str, str], out: Path) -> None:
    """Asks again for the finding of an image as a picture, and keeps it."""
    out.write_bytes(_sent(api, task, file, fields, Accept="image/png").content)


def _kept_picture(envelope: Json, slice_: int | None) -> str | None:
    """The name of the picture that is kept with a finding; of an image none is."""
    if "summary" in (envelope.get("finding") or {}):
        return "timeline.png"
    if "slices" not in (envelope.get("input") or {}):
        return None
    return "overview.png" if slice_ is None else f"overview.png?slice={slice_}"


def _download(api: Api, envelope: Json, name: str, out: Path) -> None:
    where = f"/v1/predictions/{envelope['prediction_id']}/{name}"
    api.download(where, out, lambda *_: None)


def predict(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="Clinical question, such as frame_quality")],
    file: Annotated[
        Path,
        typer.Argument(
            help="The image, or one DICOM frame; a video: mp4, mov, avi, mkv, webm; or a volume: "
            "a folder of DICOM files, a zip of one, .nii, .nii.gz"
        ),
    ],
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Also save the finding drawn, as PNG; a video's timeline, a volume's overview"
        ),
    ] = None,
    slice_: Annotated[
        int | None, typer.Option("--slice", min=0, help="Of a volume: the picture of this slice")
    ] = None,
    series_uid: Annotated[
        str, typer.Option(help="Of a volume: which series is meant, where the file holds several")
    ] = "",
    annotated: Annotated[
        Path | None, typer.Option(help="Also save the video with its finding drawn in, as mp4")
    ] = None,
    stride: Annotated[
        int, typer.Option(help="Of a video: every n-th frame; default: about five of a second")
    ] = 0,
    deployment: Annotated[
        str, typer.Option(help="Name of the deployment; default: the task's")
    ] = "",
    model: Annotated[str, typer.Option(help="A model mdl_… instead of a deployment")] = "",
    operating_point: Annotated[str, typer.Option(help="A point of the card, or a threshold")] = "",
    spacing_mm: SpacingMm = "",
    roi_px: RoiPx = "",
    json: Annotated[bool, typer.Option("--json", help="Print the reply as it came")] = False,
) -> None:
    """Asks the deployed model about one image, video or volume."""
    given = {
        "deployment": deployment, "model_id": model, "operating_point": operating_point,
        "stride": str(stride or ""), "annotated": "true" if annotated else "",
        "series_uid": series_uid, "spacing_mm": spacing_mm, "roi_px": roi_px,
    }  # fmt: skip
    fields = {name: value for name, value in given.items() if value}
    api = api_of(context)
    envelope = watched(api, task, file, fields)
    if json:
        show.out.print_json(data=envelope)
    else:
        findings.finding(envelope)
    if picture:
        if kept := _kept_picture(envelope, slice_):
            _download(api, envelope, kept, picture)
        else:
            save_picture(api, task, file, fields, picture)
        show.out.print(f"{picture} holds the picture.")
    if annotated:
        _download(api, envelope, "annotated.mp4", annotated)
        show.out.print(f"{annotated} holds the video.")
