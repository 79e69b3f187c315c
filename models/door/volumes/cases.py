"""Within one patient: which files are volumes, which are masks, and which belong together."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.door.volumes.names import Parts, Unit, owners, says_mask


@dataclass(frozen=True)
class Paired:
    """What may become one case: a volume, if its files turn out to be one, and its masks."""

    volumes: tuple[Unit, ...]
    masks: tuple[Unit, ...]


def told(units: Sequence[Unit], depth: int) -> list[Unit]:
    """The units of a patient, each known to be a mask or not by the names below `depth`.

    A folder that all of them lie in tells nothing apart, whatever it is called.
    """
    shared = _shared([_folder(unit)[depth:] for unit in units])
    below = [unit.path[depth + shared :] for unit in units]
    said = [says_mask(parts) for parts in below]
    if not any(said):
        plain = [says_mask(parts, plainly=True) for parts in below]
        said = said if all(plain) else plain
    return [
        replace(unit, mask=mask) if unit.mask is None else unit
        for unit, mask in zip(units, said, strict=True)
    ]


def _folder(unit: Unit) -> Parts:
    """The folder that the files of a unit lie in."""
    return tuple(unit.files[0].split("/")[:-1])


def _shared(paths: Sequence[Parts]) -> int:
    """How many leading folders all have in common."""
    found = 0
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        found += 1
    return found


def cases(units: Sequence[Unit], depth: int) -> list[Paired]:
    """A folder that holds a volume and a mask of its own is a case of its own; within a folder
    equal names pair; all else that lies together is meant to be one case.
    """
    children: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        folders = _folder(unit)
        if len(folders) > depth:
            children[folders[depth]].append(unit)
    apart = [those for those in children.values() if _complete(those)]
    inside = {unit.path for those in apart for unit in those}
    rest = [unit for unit in units if unit.path not in inside]
    found = [case for those in apart for case in cases(those, depth + 1)]
    return [*found, *(_by_name(rest, depth) if rest else [])]


def _complete(units: Sequence[Unit]) -> bool:
    return {bool(unit.mask) for unit in units} == {True, False}


def _by_name(units: Sequence[Unit], depth: int) -> list[Paired]:
    """Each volume with the mask that has its name, if every mask has one; else one case."""
    volumes = [unit for unit in units if not unit.mask]
    masks = [unit for unit in units if unit.mask]
    names = [owners(unit.path[depth:]) for unit in volumes]
    of_masks = [owners(unit.path[depth:]) for unit in masks]
    once = Counter(names)
    sure = all(name and once[name] == 1 for name in of_masks)
    if len(volumes) < 2 or not masks or not sure or len(set(of_masks)) < len(masks):
        return [Paired(tuple(volumes), tuple(masks))]
    return [
        Paired((volume,), tuple(mask for mask, said in zip(masks, of_masks, strict=True)
                                if said == name))
        for volume, name in zip(volumes, names, strict=True)
    ]  # fmt: skip
