"""A service under test whose answers can be worked out by hand: networks that see colours."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import httpx
import numpy as np
from fastapi.testclient import TestClient
from onnx import TensorProto, helper, numpy_helper

from app.auth import ROLES, mint
from app.db.session import writing
from app.db.tables import Deployment, Model
from app.main import create_app
from app.predictions.journal import journal
from app.predictions.serving import resolved, warm
from app.storage import files
from tests.app.predictions import walls

CLASSES = ["red", "green", "blue"]
POINTS = [
    {"name": "fpr=0.10", "threshold": 0.3, "sensitivity": 0.9, "specificity": 0.91, "low": 0.8,
     "high": 0.95},
    {"name": "fpr=0.001", "threshold": None, "reason": "40 negatives cannot resolve it"},
]  # fmt: skip


def network(classes: int, size: int = 16) -> bytes:
    """ONNX whose scores are softmax(4 / 255 * the mean of the first `classes` channels)."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    weights = (np.eye(3, classes) * 4 / 255).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])],
        [
            numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            numpy_helper.from_array(weights, "weights"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(made.SerializeToString())


def map_network(size: int = 32) -> bytes:
    """ONNX whose map calls a pixel a polyp where it is redder than it is green."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["float", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=3),
        helper.make_node("Transpose", ["scores"], ["map"], perm=[0, 3, 1, 2]),
    ]
    weights = (np.array([[0, 1], [0, -1], [0, 0]]) * 8 / 255).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", 2, size, size])],
        [numpy_helper.from_array(weights, "weights")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(made.SerializeToString())


def png(red: int = 0, green: int = 0, blue: int = 0, width: int = 40, height: int = 30) -> bytes:
    pixels = np.full((height, width, 3), (blue, green, red), np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


@dataclass
class Service:
    """A running app, keys of three roles, and a hand on what it keeps."""

    client: TestClient
    secrets: dict[str, str]
    rung: list[tuple[str, str]]

    def headers(self, who: str = "clinician") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secrets[who]}"}

    def ask(
        self,
        image: bytes | None = None,
        task: str = "classification",
        who: str = "clinician",
        headers: dict[str, str] | None = None,
        **fields: str,
    ) -> httpx.Response:
        image = png(red=255) if image is None else image
        return self.client.post(
            f"/v1/predictions/{task}",
            files={"file": ("input", image)},
            data=fields,
            headers={**self.headers(who), **(headers or {})},
        )

    def get(self, prediction_id: str, who: str = "clinician", **query: Any) -> httpx.Response:
        return self.client.get(
            f"/v1/predictions/{prediction_id}", params=query, headers=self.headers(who)
        )

    def add_model(self, model_id: str, card: dict[str, Any], task: str = "classification") -> None:
        made = {"polyp": map_network, "intima_media": walls.network}.get(task)
        data = network(len(card["classes"])) if made is None else made()
        sha256 = hashlib.sha256(data).hexdigest()
        name = f"models/{sha256}/model.onnx"
        files().put_bytes(name, data)
        facts = {"object": name, "sha256": sha256, "bytes": len(data)}
        with writing() as session:
            session.add(
                Model(
                    id=model_id,
                    workspace="clinic",
                    created_by="key_test",
                    task=task,
                    digest=f"sha256:{sha256}",
                    card=card,
                    files={"model.onnx": facts},
                )
            )

    def deploy(
        self, model_id: str, name: str = "classification", point: dict[str, Any] | None = None,
        task: str = "classification",
    ) -> None:  # fmt: skip
        with writing() as session:
            version = 1 + session.query(Deployment).filter_by(name=name).count()
            session.add(
                Deployment(
                    workspace="clinic",
                    name=name,
                    version=version,
                    task=task,
                    model_id=model_id,
                    operating_point=point,
                    created_by="key_test",
                )
            )


@contextmanager
def running(rung: list[tuple[str, str]]) -> Iterator[Service]:
    """A service of its own on the database of the settings, with two models and a deployment."""
    resolved.forget()
    warm.forget()
    with writing() as session:
        secrets = {role: mint(session, role, role, "clinic")[1] for role in ROLES}
        secrets["stranger"] = mint(session, "stranger", "admin", "elsewhere")[1]
    with TestClient(create_app()) as client:
        made = Service(client, secrets, rung)
        made.add_model("mdl_three", {"classes": CLASSES, "positive": None, "arm": "depth:2"})
        two = {"classes": ["no", "yes"], "positive": "yes", "arm": "depth:3"}
        made.add_model("mdl_two", {**two, "operating_points": POINTS})
        made.deploy("mdl_three")
        yield made
    journal.close()
