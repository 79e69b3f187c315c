"""What serving is held against: the least that FastAPI and OpenVINO can do, LitServe, no server.

`python -m benchmarks.serve_rivals network|minimal|litserve|engine ...`, started by
benchmarks/serve.py; all run the same random-weights EfficientNet-Lite0.
"""

import argparse
import io
import json
import queue
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import litserve
import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request, UploadFile
from torch import nn

from models.discovery import backbones
from models.inference.engine import ov
from models.tuning.finish.export import Served, export

CLASSES = ("benign", "malignant", "normal")
SIZE = 224


def served() -> nn.Module:
    torch.manual_seed(0)
    backbone = backbones()["efficientnet_lite0"]
    return Served(backbone.build(len(CLASSES), None), backbone, 1.3).eval()


def network(out: Path) -> None:
    """Exports the network as a sweep would."""
    torch.set_num_threads(1)
    patches = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    chain = served()
    assert isinstance(chain, Served)  # noqa: S101 - for the type checker
    export(chain.network, backbones()["efficientnet_lite0"], 1.3, patches, out)


def patch(data: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    return cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)[np.newaxis]


class Engine:
    """OpenVINO as its documentation has it: throughput hint, a request per call."""

    def __init__(self, path: Path) -> None:
        core = ov.Core()
        model = core.read_model(path)
        model.reshape([1, SIZE, SIZE, 3])
        hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
        compiled = core.compile_model(model, "CPU", hints)
        self.idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")):
            self.idle.put(compiled.create_infer_request())
        # Two first uses of the binding at once would wait for each other for ever.
        compiled.create_infer_request().infer([np.zeros((1, SIZE, SIZE, 3), np.uint8)])

    def run(self, data: bytes) -> dict[str, Any]:
        pixels = patch(data)
        request = self.idle.get()
        try:
            scores = next(iter(request.infer([pixels], share_inputs=True).values()))[0].tolist()
        finally:
            self.idle.put(request)
        best = int(np.argmax(scores))
        return {"label": CLASSES[best], "score": scores[best], "scores": scores}


def minimal(path: Path, port: int) -> None:
    app, engine = FastAPI(), Engine(path)

    @app.post("/predict")
    def predict(file: UploadFile) -> dict[str, Any]:
        return engine.run(file.file.read())

    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")


def engine(path: Path, image: Path, seconds: float) -> None:
    """Decode and engine without any server; prints how many a second."""
    bare, data, done = Engine(path), image.read_bytes(), 0
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(bare.run, [data] * 8))
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            done += len(list(threads.map(bare.run, [data] * 16)))
    print(json.dumps({"per_s": done / (time.perf_counter() - begin)}))


class LitNetwork(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.network = served().to(device)

    def decode_request(self, request: Request) -> torch.Tensor:
        return torch.from_numpy(patch(request["file"].file.read()))  # a form by then

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return self.network(x)

    def encode_response(self, output: torch.Tensor) -> dict[str, Any]:
        return {"scores": output[0].tolist()}


def lit(port: int) -> None:
    server = litserve.LitServer(LitNetwork(), accelerator="cpu")
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)


def frame() -> bytes:
    """A 640 x 480 JPEG of about 60 kB: a smooth scene with the grain of a sensor."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (12, 16, 3)).astype(np.float32)
    scene = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
    grainy = np.clip(scene + rng.normal(0, 6, scene.shape), 0, 255).astype(np.uint8)
    return io.BytesIO(cv2.imencode(".jpg", grainy, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]).getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["network", "minimal", "litserve", "engine"])
    parser.add_argument("--onnx", type=Path)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3)
    given = parser.parse_args()
    if given.what == "network":
        network(given.onnx)
        given.image.write_bytes(frame())
    elif given.what == "minimal":
        minimal(given.onnx, given.port)
    elif given.what == "litserve":
        lit(given.port)
    else:
        engine(given.onnx, given.image, given.seconds)


if __name__ == "__main__":
    main()
