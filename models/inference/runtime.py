"""Deployed networks without torch: OpenVINO on the CPU, ONNX Runtime on CUDA, a few kept warm."""

import contextlib
import importlib
import importlib.util
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.case import Pixels
from models.inference.engine import ov

Scores = NDArray[np.float32]  # [n, classes], of a map network [n, 1 + classes, size, size]
# The engine's binding makes what it needs at its first uses. Two threads that do so at once wait
# for each other for ever, and all of Python with them: one has the interpreter's lock and wants the
# binding's, the other the reverse (pybind11 #4877). So networks are loaded, and run once, in turn.
FIRST_USES = threading.Lock()
SIZE_MAX = 2048  # pixels a side of a patch; more would be a claim on all memory


class NetworkError(Exception):
    """A file that is not a network of ours; the message names the file and what is wrong."""


class Network(Protocol):
    """What serving needs of a network: uint8 patches in, class scores out, from any thread."""

    size: int
    classes: int  # scores of a patch or of a pixel; background is one of a map's
    is_map: bool
    precision: str  # "f32" or "bf16", as it runs here
    device: str

    def run(self, pixels: NDArray[np.uint8]) -> Scores:
        """[n, size, size, 3] uint8 -> scores float32; a patch's scores ignore its company."""


@cache
def core() -> ov.Core:
    return ov.Core()


def has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 itself; elsewhere it would only lose accuracy."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoNetwork:
    """One network on the CPU with as many requests in flight as the engine finds best.

    It is compiled for single patches: a fixed shape is faster than a free one, several requests
    in flight fill the cores better than a batch, and the same patch gets the same scores in
    whatever company it comes.
    """

    device = "cpu"

    def __init__(self, path: Path, bf16: bool) -> None:
        model = _read(path)
        _, self.size, _, _ = (int(side) for side in _dimensions(path, model))
        model.reshape([1, self.size, self.size, 3])
        self.precision = "bf16" if bf16 and has_bf16() else "f32"
        hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": self.precision}
        self._compiled = core().compile_model(model, "CPU", hints)
        self._shape = tuple(int(side) for side in self._compiled.output(0).shape[1:])
        self.classes, self.is_map = self._shape[0], len(self._shape) == 3
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")):
            self._idle.put(self._compiled.create_infer_request())

    def run(self, pixels: NDArray[np.uint8]) -> Scores:
        _check(pixels, self.size)
        scores = np.empty((len(pixels), *self._shape), np.float32)
        with self._requests(len(pixels)) as requests:
            for start in range(0, len(pixels), len(requests)):
                flying = list(zip(requests, range(start, len(pixels)), strict=False))
                for request, i in flying:
                    request.start_async([pixels[i : i + 1]], share_inputs=True)
                for request, i in flying:
                    request.wait()
                    scores[i] = request.get_output_tensor(0).data[0]
        return scores

    @contextlib.contextmanager
    def _requests(self, wanted: int) -> Iterator[list[Any]]:
        """One request, waited for, and up to `wanted` when others lie idle; given back after."""
        held = [self._idle.get()]
        with contextlib.suppress(queue.Empty):
            while len(held) < wanted:
                held.append(self._idle.get_nowait())
        try:
            yield held
        except BaseException:
            # One of them may still be running; fresh ones take their places.
            held = [self._compiled.create_infer_request() for _ in held]
            raise
        finally:
            for request in held:
                self._idle.put(request)


class OnnxRuntimeNetwork:
    """One network on a CUDA device through ONNX Runtime. Untested: no such device has been seen.

    `session` is an onnxruntime.InferenceSession, itself safe to run from several threads.
    """

    device = "cuda"
    precision = "f32"

    def __init__(self, session: Any) -> None:
        self._session = session
        self.size = int(session.get_inputs()[0].shape[1])
        shape = session.get_outputs()[0].shape
        self.classes, self.is_map = int(shape[1]), len(shape) == 4

    def run(self, pixels: NDArray[np.uint8]) -> Scores:
        _check(pixels, self.size)
        outputs = self._session.run(None, {self._session.get_inputs()[0].name: pixels})
        return np.asarray(outputs[0], np.float32)


def _read(path: Path) -> ov.Model:
    try:
        return core().read_model(path)
    except RuntimeError as error:  # what OpenVINO raises for anything that is no model
        raise NetworkError(f"{path.name}: not readable as an ONNX network") from error


def _taken(model: ov.Model) -> tuple[list[int], str]:
    """Shape (-1 = free) and element type of a network's one input; [] where there is not just one.

    A shape of unknown rank is [] too.
    """
    if len(model.inputs) != 1 or model.input(0).partial_shape.rank.is_dynamic:
        return [], f"{len(model.inputs)} inputs"
    shape = [-1 if side.is_dynamic else side.get_length() for side in model.input(0).partial_shape]
    return shape, model.input(0).get_element_type().to_string()


def _dimensions(path: Path, model: ov.Model) -> list[int]:
    shape, given = _taken(model)
    square = len(shape) == 4 and shape[1] == shape[2] and shape[3] == 3
    if not square or given != "u8" or not 0 < shape[1] <= SIZE_MAX:
        raise NetworkError(
            f"{path.name}: takes {given} {shape} where uint8 [n, size, size, 3] is expected; "
            "export it with LayerTune, which puts the normalisation inside"
        )
    return shape


def _check(pixels: NDArray[np.uint8], size: int) -> None:
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3) or len(pixels) == 0:
        raise ValueError(
            f"patches are {pixels.dtype} {list(pixels.shape)}, not uint8 [n, {size}, {size}, 3]"
        )


def _cuda_session(path: Path) -> Any:
    """An ONNX Runtime session on the first CUDA device, or None where there is neither."""
    if not Path("/dev/nvidia0").exists() or importlib.util.find_spec("onnxruntime") is None:
        return None
    runtime = importlib.import_module("onnxruntime")
    if "CUDAExecutionProvider" not in runtime.get_available_providers():
        return None
    return runtime.InferenceSession(path, providers=["CUDAExecutionProvider"])


def load(path: Path, bf16: bool | None = None) -> Network:
    """A network ready to run, on CUDA where ONNX Runtime has it, else on the CPU.

    `bf16` is what the model's card allows (models.inference.agree); None and False mean float32.
    """
    session = _cuda_session(path)
    if session is not None:
        return OnnxRuntimeNetwork(session)
    with FIRST_USES:
        network = OpenVinoNetwork(path, bool(bf16))
        network.run(np.zeros((1, network.size, network.size, 3), np.uint8))
    return network


def nothing(network: Network) -> Scores:
    """The outputs of no patch at all."""
    side = (network.size, network.size) if network.is_map else ()
    return np.empty((0, network.classes, *side), np.float32)


def as_patches(pixels: list[Pixels]) -> NDArray[np.uint8]:
    """Patches of one size as the array a network takes, without copying a single one."""
    return pixels[0][np.newaxis] if len(pixels) == 1 else np.stack(pixels)


class Warm:
    """The few networks used last, by digest; each is loaded once, however many ask for it."""

    def __init__(self, capacity: int = 4) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._networks: OrderedDict[str, Future[Network]] = OrderedDict()

    def get(self, digest: str, make: Callable[[], Network]) -> Network:
        """The network of `digest`; the first to ask makes it, others wait and share the outcome."""
        with self._lock:
            future = self._networks.get(digest)
            mine = future is None
            if future is None:
                future = self._networks[digest] = Future()
            self._networks.move_to_end(digest)
            while len(self._networks) > self._capacity:
                self._networks.popitem(last=False)  # whoever still runs it holds it alive
        if mine:
            self._make(digest, future, make)
        return future.result()

    def _make(self, digest: str, future: "Future[Network]", make: Callable[[], Network]) -> None:
        try:
            future.set_result(make())
        except BaseException as error:  # noqa: BLE001 - raised again by all who wait
            with self._lock:  # the next one to ask tries again
                if self._networks.get(digest) is future:
                    del self._networks[digest]
            future.set_exception(error)

    def forget(self) -> None:
        with self._lock:
            self._networks.clear()

    def __len__(self) -> int:
        return len(self._networks)
