"""Models from elsewhere: the zip, and each of its members hurt within a sound zip."""

import json
import shutil
from pathlib import Path

from hypothesis import strategies as st

from models.discovery import tasks
from models.inference import bundle
from models.inference.bundle import BundleError
from tests.app.registry import networks
from tests.fuzz.mutations import foreign, hurt
from tests.fuzz.reading import Reader

ZIPS = (networks.bundle(), networks.bundle({"weights.safetensors": b""}))
CARD = json.dumps(networks.CARD).encode()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@st.composite
def cards(draw: st.DrawFn) -> bytes:
    """A card with one field that says something else."""
    card = dict(networks.CARD)
    card[draw(st.sampled_from([*card, "mask_values", "scoring"]))] = draw(JSON)
    return json.dumps(card).encode()


def readers(folder: Path) -> dict[str, Reader]:
    known, path, scratch = tasks(), folder / "bundle.zip", folder / "unpacked"

    def read(data: bytes) -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        path.write_bytes(data)
        bundle.read(path, scratch, known)

    def within(name: str, given: st.SearchStrategy[bytes], examples: int) -> Reader:
        return Reader(
            given, lambda data: read(networks.bundle({name: data})), (BundleError,), examples
        )

    return {
        "bundle": Reader(foreign(ZIPS), read, (BundleError,), 200),
        "network": within("model.onnx", hurt([networks.network()]), 120),
        "card": within("card.json", st.one_of(hurt([CARD]), cards()), 150),
        "weights": within("weights.safetensors", hurt([networks.weights()]), 80),
    }
