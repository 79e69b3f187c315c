"""What was drawn of a vessel's wall on one image: by readers in files, in a table, or as a mask."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from models.case import Lines, Points
from models.door.lines import pairing
from models.door.lines.calibration import CalibrationError, read_calibration
from models.door.lines.cells import CellError, read_line
from models.door.lines.complexes import ComplexError, lines_of
from models.door.lines.pairing import PairingError, judged
from models.door.lines.profile import ProfileError, read_profile
from models.door.refused import RefusedError
from models.imaging.frames import UnreadableError
from models.imaging.masks import read_mask
from models.layout import CALIBRATION, LUMEN_INTIMA, MEDIA_ADVENTITIA, Item
from models.task import Output, Task

Said = tuple[str, str]  # code, detail
Spacing = tuple[float, float]  # row, column
GIVEN, CUBS, DICOM = "given", "cubs", "dicom"  # who told the spacing
DIFFER = 0.01  # share from which on two spacings of one image are worth a word
BOTH = "both lines of the far wall are needed: lumen-intima (LI) and media-adventitia (MA)"


@dataclass(frozen=True, eq=False)
class Wall:
    """The lines taken for true, and each reader's own where there are several.

    `refused`: files of the case that say nothing usable, with code and detail. `source` says who
    told `spacing_mm`. `notes` are codes of models.door.remarks.
    """

    lines: Lines
    readers: dict[str, Lines]
    spacing_mm: Spacing | None
    source: str | None
    refused: dict[str, Said]
    notes: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """What the pack keeps of it: points x, y in pixels of the upright image, x ascending."""
        found: dict[str, object] = {"lines": _kept(self.lines)}
        if len(self.readers) > 1:
            found["readers"] = {name: _kept(lines) for name, lines in self.readers.items()}
        if self.source is not None:
            found["spacing_source"] = self.source
        return found


def _kept(lines: Lines) -> dict[str, object]:
    upper, lower = lines
    return {LUMEN_INTIMA: pairing.sparse(upper), MEDIA_ADVENTITIA: pairing.sparse(lower)}


def of_walls(task: Task) -> bool:
    """Whether a task's truth are the two lines of a wall: its finding tells them."""
    return LUMEN_INTIMA in {field.name for field in fields(task.finding)}


def truth_of(task: Task) -> Output:
    """Whether the truth of its images is a label each, or a drawing: lines are one too."""
    return "map" if of_walls(task) else task.output


def is_drawn(item: Item) -> bool:
    """Whether anything was drawn of its wall."""
    return "mask" in item.files or item.lines is not None or bool(readers_of(item))


def readers_of(item: Item) -> dict[str, tuple[str, str]]:
    """The files of each reader who drew both lines: lumen-intima, media-adventitia."""
    names = [role.partition("/")[2] for role in item.files if role.startswith(f"{LUMEN_INTIMA}/")]
    return {
        name: (item.files[f"{LUMEN_INTIMA}/{name}"], item.files[f"{MEDIA_ADVENTITIA}/{name}"])
        for name in names
        if f"{MEDIA_ADVENTITIA}/{name}" in item.files
    }


def wall_of(
    item: Item,
    size: tuple[int, int],
    read: Callable[[str], bytes],
    max_pixels: int,
    told: Spacing | None = None,
) -> Wall:
    """The wall of an image of `size` (width, height); `told` is the spacing in the image itself.

    Files are believed before a table, and a table before a mask. Raises RefusedError where no
    reader's lines can be used.
    """
    refused: dict[str, Said] = {}
    readers: dict[str, Lines] = {}
    notes: list[str] = []
    if readers_of(item):
        readers, notes = _by_readers(item, size, read, refused)
        lines, said = _agreed(readers, len(readers_of(item)))
    elif item.lines is not None:
        lines, said = _by_table(item, size)
    else:
        lines, said = _by_mask(item, size, read, max_pixels)
    spacing, source, doubts = _spacing(item, read, refused, told)
    every = tuple(dict.fromkeys((*item.notes, *notes, *said, *doubts)))
    return Wall(lines, readers, spacing, source, refused, every)


def _by_readers(
    item: Item, size: tuple[int, int], read: Callable[[str], bytes], refused: dict[str, Said]
) -> tuple[dict[str, Lines], list[str]]:
    """The lines of every reader whose files can be used, and what was noted of them."""
    found: dict[str, Lines] = {}
    notes: list[str] = []
    first: RefusedError | None = None
    for name, files in readers_of(item).items():
        try:
            found[name], said = _of_reader(files, size, read)
            notes += said
        except RefusedError as error:
            first = first or error
            for file in files:
                at_fault = file == error.file or error.code.startswith("lines_")
                detail = error.detail if at_fault else f"left out with {error.file}"
                refused[file] = error.code, detail
    if not found and first is not None:
        raise first
    return found, [*notes, "readers_dropped"] if first is not None else notes


def _of_reader(
    files: tuple[str, str], size: tuple[int, int], read: Callable[[str], bytes]
) -> tuple[Lines, tuple[str, ...]]:
    drawn: list[Points] = []
    notes: list[str] = []
    for file in files:
        try:
            line, said = read_profile(read(file))
        except ProfileError as error:
            raise RefusedError(file, error.code, error.detail) from error
        drawn.append(line)
        notes += said
    try:
        lines, judgement = judged((drawn[0], drawn[1]), size)
        return lines, (*notes, *judgement)
    except PairingError as error:
        raise RefusedError(files[0], error.code, error.detail) from error


def _agreed(readers: dict[str, Lines], asked: int) -> tuple[Lines, tuple[str, ...]]:
    """What the readers agree on; of readers who share no stretch, the longest line."""
    if len(readers) == 1:
        return next(iter(readers.values())), ("one_reader",) if asked > 1 else ()
    together = pairing.consensus(list(readers.values()))
    if together is not None:
        return together, ()
    return max(readers.values(), key=lambda lines: len(lines[0])), ("one_reader",)


def _by_table(item: Item, size: tuple[int, int]) -> tuple[Lines, tuple[str, ...]]:
    image = item.files["image"]
    written = dict(zip((LUMEN_INTIMA, MEDIA_ADVENTITIA), item.lines or ("", ""), strict=True))
    missing = [column for column, cell in written.items() if not cell]
    if missing:
        raise RefusedError(image, "missing_line", f"{missing[0]} is empty; {BOTH}")
    drawn = []
    for column, cell in written.items():
        try:
            drawn.append(read_line(cell))
        except CellError as error:
            raise RefusedError(image, "bad_line", f"{column}: {error}") from error
    try:
        return judged((drawn[0], drawn[1]), size)
    except PairingError as error:
        raise RefusedError(image, error.code, error.detail) from error


def _by_mask(
    item: Item, size: tuple[int, int], read: Callable[[str], bytes], max_pixels: int
) -> tuple[Lines, tuple[str, ...]]:
    name = item.files["mask"]
    try:
        mask = read_mask(read(name), max_pixels)
        if mask.shape[::-1] != size:
            width, height = mask.shape[::-1]
            detail = f"the mask is {width} x {height} pixels, its image {size[0]} x {size[1]}"
            raise RefusedError(name, "mask_size", f"{detail}: give it that size")
        drawn, notes = lines_of(mask)
        lines, said = judged(drawn, size)
    except (UnreadableError, PairingError) as error:
        raise RefusedError(name, error.code, error.detail) from error
    except ComplexError as error:
        raise RefusedError(name, "bad_mask", str(error)) from error
    return lines, (*notes, *said)


def _spacing(
    item: Item,
    read: Callable[[str], bytes],
    refused: dict[str, Said],
    told: Spacing | None,
) -> tuple[Spacing | None, str | None, tuple[str, ...]]:
    """The spacing, who told it, and notes: given before the data set's own file, then the image."""
    known = {GIVEN: item.spacing_mm, CUBS: _calibrated(item, read, refused), DICOM: told}
    said = {source: spacing for source, spacing in known.items() if spacing is not None}
    if not said:
        doubt = "bad_calibration" if item.files.get(CALIBRATION) in refused else "no_spacing"
        return None, None, (doubt,)
    source, spacing = next(iter(said.items()))
    differ = any(
        abs(a - b) > DIFFER * b
        for other in said.values()
        for a, b in zip(other, spacing, strict=True)
    )
    return spacing, source, ("spacing_differs",) if differ else ()


def _calibrated(
    item: Item, read: Callable[[str], bytes], refused: dict[str, Said]
) -> Spacing | None:
    name = item.files.get(CALIBRATION)
    if name is None:
        return None
    try:
        side = read_calibration(read(name))
    except CalibrationError as error:
        refused[name] = "bad_calibration", str(error)
        return None
    except RefusedError as error:
        refused[name] = error.code, error.detail
        return None
    return side, side
