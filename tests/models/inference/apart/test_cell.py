"""A bundle is read and its network tried in a cell; what the network does is done to it alone."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.inference.apart import cell
from models.inference.apart.cell import Limits
from models.inference.bundle import Bundle, BundleError
from tests.app.registry import networks


def read(folder: Path, data: bytes, **limits: float) -> Bundle:
    path, unpacked = folder / "bundle.zip", folder / "unpacked"
    path.write_bytes(data)
    unpacked.mkdir()
    return cell.read(path, unpacked, Limits(**limits))  # type: ignore[arg-type]


def test_a_good_bundle_comes_back_with_its_card_and_its_members(tmp_path: Path) -> None:
    found = read(tmp_path, networks.bundle(id="mdl_foreign"))
    assert found.card == networks.CARD  # what only the service may say is taken out
    assert set(found.members) == {"card.json", "model.onnx", "weights.safetensors"}
    member = found.members["model.onnx"]
    assert member.path.read_bytes() == networks.network()
    assert member.bytes == len(networks.network())


def test_what_is_wrong_with_a_bundle_is_said_as_it_was_found(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as found:
        read(tmp_path, networks.bundle(classes=["one"]))
    assert found.value.code == "bad_card"
    assert "at least 2 different names" in str(found.value)


def endless() -> bytes:
    """A sound graph that counts to 2^62 before it answers."""
    made = onnx.load_from_string(networks.network())
    step = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["still"]),
         helper.make_node("Sin", ["before"], ["after"])],
        "step",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
         helper.make_tensor_value_info("going", TensorProto.BOOL, []),
         helper.make_tensor_value_info("before", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []),
         helper.make_tensor_value_info("after", TensorProto.FLOAT, ["n", 2])],
    )  # fmt: skip
    made.graph.initializer.extend([
        numpy_helper.from_array(np.array(2**62, np.int64), "turns"),
        numpy_helper.from_array(np.array(True), "yes"),
    ])  # fmt: skip
    at = next(k for k, node in enumerate(made.graph.node) if "logits" in node.output)
    made.graph.node[at].output[0] = "bare"
    loop = helper.make_node("Loop", ["turns", "yes", "bare"], ["logits"], body=step)
    made.graph.node.insert(at + 1, loop)
    return bytes(made.SerializeToString())


def test_a_network_that_never_answers_ends_its_cell_alone(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as found:
        read(tmp_path, networks.bundle({"model.onnx": endless()}), cpu_s=4)
    assert found.value.code in ("decoder_stopped", "bad_network")
