"""What the commands print of a finding: of an image, of a video and of a volume."""

from typing import Any

from rich.text import Text

from app.cli import show
from app.cli.show import Json, out

TRACKS_MOST = 20  # printed of a video, of the highest scores
EMBOLI_MOST = 20
BAR = 30  # characters of a score of one


def finding(envelope: Json) -> None:
    """One prediction: the answer first, then what stands behind it."""
    _answer(envelope.get("finding") or {})
    point = envelope.get("operating_point")
    if point and point.get("threshold") is not None:
        out.print(f"  operating point {point['name']}: threshold {point['threshold']:.3f}")
    for warning in envelope.get("warnings") or []:
        said = warning.get("detail", warning) if isinstance(warning, dict) else warning
        out.print(Text(f"  warning: {said}", style="yellow"))
    model = envelope.get("model") or {}
    out.print(f"  {envelope.get('prediction_id')} by {model.get('id')} ({model.get('arm')})")
    out.print(Text(f"  {envelope.get('intended_use', 'research use only')}", style="dim"))


def _answer(found: Json) -> None:
    if "summary" in found:
        _video(found)
    elif "label" in found:
        out.print(Text(f"{found['label']}  {found['score']:.3f}", style="bold"))
        _bars(found.get("scores", {}))
    elif "detections" in found:
        said = "present" if found["present"] else "not found"
        out.print(Text(f"{said}  {found['score']:.3f}", style="bold"))
        for row in found["detections"]:
            out.print(f"  box {_box(row)}  {row['score']:.3f}  {row['area_px']:,} px")
    elif "emboli" in found:
        _emboli(found)
    elif "lumen_intima" in found:
        _wall(found)
    else:  # a mask is for programs: --json has it, or --picture shows it
        shown = {name: value for name, value in found.items() if name != "mask_png_base64"}
        out.print_json(data=shown)


def _bars(shares: Json) -> None:
    for label, share in shares.items():
        out.print(f"  {label:<20} {share:.3f}  {'█' * round(share * BAR)}")


def _box(row: Json) -> str:
    x0, y0, x1, y1 = row["box_px"]
    return f"{x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f}"


def _emboli(found: Json) -> None:
    """Where to look: by voxel, by millimetre, and by the slice's UID where the input has any."""
    said = "present" if found["present"] else "not found"
    out.print(Text(f"{said}  {found['score']:.3f}", style="bold"))
    emboli = found["emboli"]
    if not emboli:
        return
    named = any(row.get("sop_instance_uid") for row in emboli)
    rows = [_embolus(k, row, named) for k, row in enumerate(emboli[:EMBOLI_MOST], start=1)]
    uid = ["SOP instance UID"] if named else []
    columns = (">", ">score", ">mm wide", ">voxel z, y, x", ">LPS x, y, z in mm", *uid)
    count = len(emboli)
    show.table(f"{count} {'embolus' if count == 1 else 'emboli'}, best first", columns, rows)
    if count > len(rows):
        out.print(f"  and {count - len(rows)} more of lower scores")


def _embolus(number: int, row: Json, named: bool) -> tuple[Any, ...]:
    voxel = ", ".join(f"{at:.0f}" for at in row["centre_voxel"])
    place = ", ".join(f"{at:.1f}" for at in row["centre_mm"])
    uid = [row.get("sop_instance_uid")] if named else []
    return (number, f"{row['score']:.3f}", f"{row['diameter_mm']:.1f}", voxel, place, *uid)


def _wall(found: Json) -> None:
    """Thickness first, in millimetres where somebody told the spacing; the lines are for programs:
    --json has them, --picture shows them.
    """
    measured = found["imt_px"]
    if measured is None:
        out.print(Text("no far wall found", style="bold"))
    else:
        in_px = f"mean {measured['mean']:.1f} px, max {measured['max']:.1f} px"
        said = in_px
        if (mm := found["imt_mm"]) is not None:
            said = f"mean {mm['mean']:.2f} mm, max {mm['max']:.2f} mm"
        out.print(Text(f"intima-media thickness: {said}", style="bold"))
        if mm is not None:
            out.print(f"  {in_px}; {_spacing(found)}")
    columns = found["columns"]
    left_out = f"{columns['left_out']:,} left out for want of evidence"
    out.print(f"  {columns['traced']:,} columns traced, {left_out}")
    if found["roi_px"] is not None:
        x0, y0, x1, y1 = found["roi_px"]
        out.print(f"  looked at {x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f}")


def _spacing(found: Json) -> str:
    given = found["spacing_mm"]
    sides = " x ".join(f"{side:g}" for side in (given if isinstance(given, list) else [given]))
    return f"{sides} mm a pixel ({found['spacing_source']})"


def _video(found: Json) -> None:
    """The summary, then the shares of the classes or the tracks."""
    read = found["summary"]
    head = f"{read['frames_read']} frames of {read['duration_s']:.1f} s of film read"
    out.print(Text(head, style="bold"))
    _bars(found.get("shares", {}))
    if "tracks" not in found:
        return
    tracks = sorted(found["tracks"], key=lambda track: -float(track["best"]["score"]))[:TRACKS_MOST]
    rows = [_track(track) for track in sorted(tracks, key=lambda track: int(track["id"]))]
    count = read["frames_with_detections"]
    columns = (">track", ">from s", ">to s", ">frames", ">best score", ">at s", "box there")
    show.table(f"{read['tracks']} tracks, seen in {count} frames", columns, rows)
    if len(found["tracks"]) > len(rows):
        out.print(f"  and {len(found['tracks']) - len(rows)} more of lower scores")


def _track(track: Json) -> tuple[Any, ...]:
    best = track["best"]
    return (
        track["id"], f"{track['first_seen_s']:.1f}", f"{track['last_seen_s']:.1f}",
        track["frames"], f"{best['score']:.3f}", f"{best['time_s']:.1f}", _box(best),
    )  # fmt: skip
