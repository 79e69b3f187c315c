"""Models made elsewhere: a bundle is verified, stored, and entered in the registry."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from app import ids
from app.auth import Caller
from app.db.tables import Json, Model, now
from app.errors import Unprocessable
from app.settings import settings
from app.storage import Files
from models.inference.apart import cell
from models.inference.bundle import BundleError, Member

BUNDLE_MAX_BYTES = 2 << 30


@dataclass(frozen=True)
class Imported:
    """A verified bundle whose files are stored."""

    card: Json
    files: dict[str, Json]  # name -> {"object", "sha256", "bytes"}
    digest: str  # sha256:… of model.onnx


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read(path: Path, files: Files) -> Imported:
    """Verifies a bundle and stores its files. Raises Unprocessable with the reason."""
    settings().scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="import-", dir=settings().scratch) as folder:
        try:
            found = cell.read(path.absolute(), Path(folder))
        except BundleError as error:
            errors = [{"pointer": "#/bundle", "detail": str(error)}]
            raise Unprocessable(error.code, str(error), errors) from error
        kept = {
            name: _kept(files, name, member)
            for name, member in found.members.items()
            if name != "card.json"
        }
    card = {**found.card, "imported": True}
    content = json.dumps(card, indent=1, sort_keys=True).encode()
    # Named by its own digest: two cards may tell different things of one network.
    name = f"models/{sha256(content)}/card.json"
    files.put_bytes(name, content)
    kept["card.json"] = {"object": name, "sha256": sha256(content), "bytes": len(content)}
    return Imported(card, kept, f"sha256:{kept['model.onnx']['sha256']}")


def _kept(files: Files, name: str, member: Member) -> Json:
    stored = {
        "model.onnx": f"models/{member.sha256}/model.onnx",
        "weights.safetensors": f"weights/{member.sha256}.safetensors",
    }[name]
    files.put_file(stored, member.path)
    return {"object": stored, "sha256": member.sha256, "bytes": member.bytes}


def store(session: Session, caller: Caller, found: Imported) -> Model:
    """The model's row; it has no run of its own here."""
    row = Model(
        id=ids.new("mdl"),
        workspace=caller.workspace,
        created_by=caller.key_id,
        created_at=now(),
        task=str(found.card["task"]),
        digest=found.digest,
        card=found.card,
        files=found.files,
    )
    session.add(row)
    session.flush()
    return row
