"""Where and how the arithmetic is done: device, number format, memory layout, threads, seeds."""

import hashlib
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module

import numpy as np
import torch

from models.spec import Numerics


def preload() -> None:
    """Imports what an optimiser would at its first step: two seconds of a processor."""
    import_module("torch._dynamo")


def best(threads: int = 0) -> Numerics:
    """The fastest honest numerics of this machine; `threads` 0 = all cores.

    bfloat16 only where oneDNN computes it natively: elsewhere it is emulated, and slower.
    """
    threads = threads or torch.get_num_threads()
    if torch.cuda.is_available():  # untested here: written for a machine with a GPU
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return Numerics("cuda", "bfloat16" if bf16 else "float32", threads)
    return Numerics("cpu", "bfloat16" if _cpu_bf16() else "float32", threads)


def _cpu_bf16() -> bool:
    """Whether the processor multiplies bfloat16 itself. That oneDNN accepts it says less: it does
    so on any AVX-512, and where the instructions are missing its steps take half as long again as
    in float32, or more than twice as long (docs/measurements.md).
    """
    facts = torch.cpu.get_capabilities()
    if facts["architecture"] in ("x86_64", "amd64"):
        return bool(facts.get("avx512_bf16") or facts.get("amx_bf16"))
    built_in: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return built_in and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def settle(numerics: Numerics) -> torch.device:
    """Sets the process's threads as the spec says and answers the device."""
    if torch.get_num_threads() != numerics.threads:
        torch.set_num_threads(numerics.threads)
    return torch.device(numerics.device)


def precision(numerics: Numerics) -> AbstractContextManager[None]:
    """The context in which forward passes run: autocast to bfloat16, or nothing."""
    if numerics.dtype == "float32":
        return nullcontext()
    return torch.autocast(numerics.device, torch.bfloat16)


def derive(*parts: object) -> int:
    """A 63-bit seed from anything printable: randomness is a function, so no state is kept."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: object) -> np.random.Generator:
    return np.random.default_rng(derive(*parts))
