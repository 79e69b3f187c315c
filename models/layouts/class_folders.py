"""Class folders: the folder an image lies in is its label; split folders may stand above."""

from models.layout import Found, Item, Layout, Tree, is_image_name, leftover, split_word
from models.ledger import LedgerEntry

EXAMPLE = """\
benign/case-01.png
benign/case-02.png
malignant/case-03.png

or with a split of your own:
train/benign/case-01.png
validation/benign/case-02.png
test/malignant/case-03.png
"""
_NOT_CLASSES = {"images", "masks"}  # pairs of image and mask, not two classes
_WHERE = "lies neither in label/ nor in split/label/"


def recognise(tree: Tree) -> Found | None:
    """Fits when images lie in the folders of at least two labels."""
    items: list[Item] = []
    entries: list[LedgerEntry] = []
    for name in tree.names:
        item = _item(name) if is_image_name(name) else None
        if item is None:
            entries.append(leftover(name, "not_in_layout", _WHERE))
        else:
            items.append(item)
    labels = {item.label for item in items}
    if len(labels) < 2 or {str(label).lower() for label in labels} <= _NOT_CLASSES:
        return None
    return Found(tuple(items), tuple(entries))


def _item(name: str) -> Item | None:
    """`label/file` or `split/label/file`; None for a file elsewhere."""
    *folders, _ = name.split("/")
    split = split_word(folders[0]) if folders else None
    if split is not None:
        folders = folders[1:]
    if len(folders) != 1:
        return None
    label = folders[0].strip()
    return Item({"image": name}, label=label, split=split) if label else None


LAYOUT = Layout("class_folders", EXAMPLE, recognise)
