"""Pairs: `images/` and `masks/` with the same file names; split folders above or below them."""

from collections import defaultdict

from models.layout import (
    Found,
    Item,
    Layout,
    Tree,
    is_frame_name,
    is_image_name,
    leftover,
    split_word,
)
from models.ledger import LedgerEntry

EXAMPLE = """\
images/case-01.jpg
images/case-02.jpg
masks/case-01.png
masks/case-02_mask.png

or with a split of your own:
train/images/case-01.jpg
train/masks/case-01.png
validation/images/case-02.jpg
validation/masks/case-02.png

or images/train/case-01.jpg and masks/train/case-01.png; an empty mask shows nothing
classes.txt           what the numbers in the masks are called ("1 nerve" in a line), if you like
"""
_SUFFIXES = ("_mask", "_seg")
_ROLES = {"images": "image", "masks": "mask"}
Key = tuple[str, str]  # (split folder or "", path below images/ or masks/ without its suffix)


def recognise(tree: Tree) -> Found | None:
    """Fits when images lie below both `images/` and `masks/`."""
    entries: list[LedgerEntry] = []
    found: dict[str, dict[Key, list[str]]] = {"image": defaultdict(list), "mask": defaultdict(list)}
    for name in tree.names:
        place = _place(name) if is_frame_name(name) else None
        if place is None or (place[0] == "mask" and not is_image_name(name)):
            entries.append(leftover(name, "not_in_layout", "lies neither in images/ nor in masks/"))
        else:
            role, key = place
            found[role][key].append(name)
    if not found["image"] or not found["mask"]:
        return None
    images, masks = found["image"], _by_image(found["mask"], found["image"])
    items = []
    for key in sorted({*images, *masks}):
        pictured, masked = images.get(key, []), masks.get(key, [])
        if len(pictured) == len(masked) == 1:
            files = {"image": pictured[0], "mask": masked[0]}
            items.append(Item(files, split=_split(key)))
        else:
            entries.extend(_unpaired(pictured, masked))
    return Found(tuple(items), tuple(entries))


def _place(name: str) -> tuple[str, Key] | None:
    """(role, key) of a file below `[split/]images/` or `[split/]masks/`."""
    parts = name.split("/")
    split = parts.pop(0) if len(parts) > 2 and split_word(parts[0]) else ""
    role = _ROLES.get(parts[0].lower())
    if role is None or len(parts) < 2:
        return None
    return role, (split, "/".join(parts[1:]).rsplit(".", 1)[0])


def _split(key: Key) -> str | None:
    """That of the folder above, else of the first below images/."""
    folder, _, file = key[1].partition("/")
    return split_word(key[0]) or (split_word(folder) if file else None)


def _by_image(
    masks: dict[Key, list[str]], images: dict[Key, list[str]]
) -> defaultdict[Key, list[str]]:
    """Masks under the key of their image: the same stem, or the stem before `_mask` or `_seg`."""
    found: defaultdict[Key, list[str]] = defaultdict(list)
    for key, names in masks.items():
        split, stem = key
        bases = [stem, *(stem.removesuffix(end) for end in _SUFFIXES if stem.endswith(end))]
        chosen = next(((split, base) for base in bases if (split, base) in images), key)
        found[chosen].extend(names)
    return found


def _unpaired(pictured: list[str], masked: list[str]) -> list[LedgerEntry]:
    if not masked:
        code, detail = "no_mask", "no file of this name lies in masks/"
    elif not pictured:
        code, detail = "mask_without_image", "no file of this name lies in images/"
    else:
        code = "ambiguous_pair"
        detail = f"{len(pictured)} image(s) and {len(masked)} mask(s) share this name"
    return [LedgerEntry(name, "excluded", code, detail) for name in (*pictured, *masked)]


LAYOUT = Layout("image_mask_pairs", EXAMPLE, recognise)
