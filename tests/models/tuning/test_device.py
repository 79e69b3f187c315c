"""In which number format a machine trains."""

import pytest
import torch

from models.tuning import device

AVX512 = {"architecture": "x86_64", "avx512_bw": True, "avx512_bf16": False, "amx_bf16": False}


@pytest.mark.parametrize(
    ("facts", "dtype"),
    [
        (AVX512, "float32"),
        (AVX512 | {"avx512_bf16": True}, "bfloat16"),
        (AVX512 | {"amx_bf16": True}, "bfloat16"),
        ({"architecture": "x86_64", "avx2": True}, "float32"),
    ],
    ids=["avx512_alone", "zen_4", "amx", "avx2"],
)
def test_bfloat16_is_for_processors_that_multiply_it_themselves(
    facts: dict[str, bool | str], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: facts)
    assert device.best(2).dtype == dtype


@pytest.mark.parametrize("supported", [True, False])
def test_on_other_architectures_onednn_is_asked(
    supported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "arm64"})
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    assert device.best(2).dtype == ("bfloat16" if supported else "float32")


def test_torch_knows_the_words_this_machine_is_asked_in() -> None:
    facts = torch.cpu.get_capabilities()
    assert facts["architecture"] != "x86_64" or {"avx512_bf16", "amx_bf16"} <= set(facts)
