"""A vessel's far wall in flat greys, and the network that tells its layers by them: each pixel is
what its grey is nearest to, so that every line can be worked out by hand.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.imaging import carotid_phantom

GREYS = (160, 10, 90, 240)  # of tissue, lumen, intima-media, adventitia: as a map has them
SHARP = 60.0  # squared grey levels per nat
WIDTH, HEIGHT = 480, 400
TOP, BOTTOM = 250, 262  # the intima-media's rows, half-open
FIRST_PX, LAST_PX = TOP - 0.5, BOTTOM - 0.5  # the lines, rows' centres being whole numbers


def network(size: int = 224) -> bytes:
    """ONNX: the nearest grey has the highest score; what is squared in it is alike for all."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["float", "weights"], ["steep"]),
        helper.make_node("Add", ["steep", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=3),
        helper.make_node("Transpose", ["scores"], ["map"], perm=[0, 3, 1, 2]),
    ]
    greys = np.array(GREYS, np.float32)
    weights = np.zeros((3, len(GREYS)), np.float32)
    weights[0] = 2 * greys / SHARP
    graph = helper.make_graph(
        nodes,
        "greys",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", len(GREYS), size, size])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(-(greys**2) / SHARP, "bias"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(made.SerializeToString())


def pixels() -> NDArray[np.uint8]:
    """Tissue, a lumen, the wall's two layers, tissue."""
    made = np.full((HEIGHT, WIDTH), GREYS[0], np.uint8)
    made[120:TOP] = GREYS[1]
    made[TOP:BOTTOM] = GREYS[2]
    made[BOTTOM : BOTTOM + 60] = GREYS[3]
    return made


def png() -> bytes:
    return cv2.imencode(".png", pixels())[1].tobytes()


def dicom(spacing_mm: tuple[float, float] = (0.06, 0.08)) -> bytes:
    """The same as a DICOM ultrasound frame with a calibrated region."""
    box = (0, 0, WIDTH, HEIGHT)
    rng = np.random.default_rng(0)
    return carotid_phantom.dicom.image(rng, pixels(), box, spacing_mm)
