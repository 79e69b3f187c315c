"""Models that unpack to gigabytes, or ask for them once they run."""

import io
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.inference.apart import cell
from models.inference.apart.cell import Limits
from tests.app.registry import networks
from tests.fuzz.rooms.bombs_archives import ENTRY

MORE_MB = 16_384  # of address space; the cell below has a bound of its own
LIMITS = Limits(memory_bytes=4 << 30, cpu_s=30)


def bombs(folder: Path) -> dict[str, Callable[[], object]]:
    made = {
        "card": _card(),
        "bzip2": _bzip2(),
        "names": _names(),
        "network": networks.bundle({"model.onnx": _network()}),
    }
    return {name: partial(_read, folder / name, data) for name, data in made.items()}


def _read(place: Path, data: bytes) -> None:
    place.mkdir()
    (place / "bundle.zip").write_bytes(data)
    unpacked = place / "unpacked"
    unpacked.mkdir()
    cell.read(place / "bundle.zip", unpacked, LIMITS)


def _card() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        with made.open("card.json", "w") as sink:
            for _ in range(16):
                sink.write(b" " * 2**20)
        made.writestr("model.onnx", networks.network())
    return out.getvalue()


def _bzip2() -> bytes:
    """Forty bytes of bzip2 for every 900 kB: a piece of four kilobytes holds a hundred of them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as made:
        made.writestr("card.json", b" " * 2**22)
        made.writestr("model.onnx", networks.network())
    assert out.tell() < 2**16
    return out.getvalue()


def _names() -> bytes:
    count = 500_000
    entry = ENTRY.pack(b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, count * len(entry), 0, 0)
    return b"PK\x03\x04" + bytes(26) + entry * count + end


def _network() -> bytes:
    """A sound graph that makes a tensor of 2^38 zeros before it answers."""
    made = onnx.load_from_string(networks.network())
    sides = numpy_helper.from_array(np.array([2**19, 2**19], np.int64), "sides")
    made.graph.initializer.append(sides)
    zeros = helper.make_node("ConstantOfShape", ["sides"], ["zeros"])
    total = helper.make_node("ReduceMax", ["zeros"], ["most"], keepdims=0)
    at = next(k for k, node in enumerate(made.graph.node) if "logits" in node.output)
    made.graph.node[at].output[0] = "bare"
    added = helper.make_node("Add", ["bare", "most"], ["logits"])
    for node in (added, total, zeros):
        made.graph.node.insert(at + 1, node)
    return bytes(made.SerializeToString())
