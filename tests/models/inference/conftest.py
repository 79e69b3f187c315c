"""Small networks with weights worked out by hand, made without torch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

MakeNetwork = Callable[..., Path]


@pytest.fixture
def make_network(tmp_path: Path) -> MakeNetwork:
    """An ONNX file whose scores are softmax(the patch's mean red, green, blue / 255 * 4)."""

    def make(size: int = 4, name: str = "model.onnx", dtype: int = TensorProto.UINT8) -> Path:
        nodes = [
            helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "scale"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
        ]
        constants = {
            "axes": np.array([1, 2], np.int64),
            "scale": np.array(4 / 255, np.float32),
        }
        graph = helper.make_graph(
            nodes,
            "colours",
            [helper.make_tensor_value_info("pixels", dtype, ["n", size, size, 3])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])],
            [numpy_helper.from_array(value, key) for key, value in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        path = tmp_path / name
        onnx.save(model, str(path))
        return path

    return make
