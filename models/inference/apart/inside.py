"""`python -m models.inference.apart.inside JOB`: what runs in a bundle's cell.

A foreign zip, card and network are read here, and the network is run: see models.imaging.confined.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.discovery import tasks
from models.imaging.confined import Say, serve
from models.inference import bundle
from models.inference.apart.cell import CARD, Limits


def main() -> int:
    return serve(Limits, read, bundle.BundleError)


def read(job: Mapping[str, Any], _: Limits, say: Say) -> None:
    """Leaves the members and the card in the folder; says what the members are."""
    folder = Path(job["folder"])
    found = bundle.read(Path(job["path"]), folder, tasks())
    (folder / CARD).write_text(json.dumps(found.card))
    facts = {
        name: {"sha256": member.sha256, "bytes": member.bytes}
        for name, member in found.members.items()
    }
    say({"ended": facts})


if __name__ == "__main__":
    sys.exit(main())
