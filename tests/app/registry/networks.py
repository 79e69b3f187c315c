"""Small ONNX networks and bundles for tests."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save

SIZE = 8
CARD: dict[str, Any] = {
    "task": "classification",
    "backbone": "tiny",
    "arm": "depth:2",
    "classes": ["benign", "malignant"],
    "positive": "malignant",
    "operating_points": [{"name": "youden", "threshold": 0.5, "sensitivity": 0.9}],
    "operating_point": "youden",
}


def network(
    classes: int = 2,
    softmax: bool = True,
    external: bool = False,
    size: int | str = SIZE,
    axis: Sequence[int] = (1, 2),
) -> bytes:
    """uint8 [n, 8, 8, 3] -> mean of each channel -> linear -> scores [n, classes]."""
    weights = np.linspace(-1, 1, 3 * classes, dtype=np.float32).reshape(3, classes) / 255
    tensor = numpy_helper.from_array(weights, "w")
    if external:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/passwd")
    axes = numpy_helper.from_array(np.array(axis, np.int64), "axes")
    nodes = [
        helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["logits" if softmax else "scores"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["scores"], axis=1))
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])],
        [tensor, axes],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(made.SerializeToString())


def weights() -> bytes:
    return bytes(save({"head.weight": np.zeros((2, 3), np.float32)}))


def bundle(members: Mapping[str, bytes] | None = None, **card: Any) -> bytes:
    """A zip of a good network, weights and card; `card` and `members` change it, b"" takes out."""
    content = {
        "model.onnx": network(),
        "weights.safetensors": weights(),
        "card.json": json.dumps({**CARD, **card}).encode(),
        **(members or {}),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in content.items():
            if data:
                archive.writestr(name, data)
    return buffer.getvalue()


def damaged() -> bytes:
    """A zip whose directory is whole and whose compressed bytes are not."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", json.dumps(CARD))
    content = bytearray(buffer.getvalue())
    start = 30 + len("card.json")
    content[start : start + 8] = b"\xff" * 8
    return bytes(content)


def foreign() -> bytes:
    """A network that needs an operator of somebody's own."""
    made = onnx.load_from_string(network())
    made.opset_import.append(helper.make_opsetid("com.example", 1))
    made.graph.node[0].domain = "com.example"
    return bytes(made.SerializeToString())
