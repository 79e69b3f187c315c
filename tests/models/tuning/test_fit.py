"""The training loop: the same bits whatever the cache and however often interrupted."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from models.arms import parse, rates
from models.discovery import backbones
from models.metrics.roc import auc
from models.tuning import fit as loop
from models.tuning import results
from models.tuning.checkpoint import Epoch
from models.tuning.device import derive
from models.tuning.errors import (
    BadDataError,
    DivergedError,
    FreezeError,
    OutOfMemoryError,
    WeightsError,
)
from models.tuning.fit import batched, epoch_views, fit, stratified
from models.tuning.patches.sets import PatchSet
from models.tuning.plan import Tuned, Witness, optimiser
from models.tuning.prefix.features import Inputs
from models.tuning.run import Settings

ARMS = ("depth:1", "depth:3", "depth:5", "depth:6", "scratch")


def ended(folder: Path) -> str:
    return hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("arm", ARMS)
def test_a_cached_and_an_uncached_run_end_in_the_same_bits(
    arm, spec, patches, tiny_weights, tmp_path
) -> None:
    plain = list(fit(spec(arm), patches, weights=tiny_weights, folder=tmp_path / "plain"))
    cached = Settings(cache=tmp_path / "prefix")
    quick = list(
        fit(spec(arm), patches, weights=tiny_weights, folder=tmp_path / "quick", settings=cached)
    )
    assert ended(tmp_path / "plain") == ended(tmp_path / "quick")
    assert [e.loss for e in plain] == [e.loss for e in quick]
    measures = [(tmp_path / kind / "measures.json").read_bytes() for kind in ("plain", "quick")]
    assert measures[0] == measures[1]


def test_a_cached_and_an_uncached_run_agree_in_bfloat16(
    spec, patches, tiny_weights, tmp_path
) -> None:
    rough = spec("depth:3", dtype="bfloat16", epochs=2)
    list(fit(rough, patches, weights=tiny_weights, folder=tmp_path / "plain"))
    cached = Settings(cache=tmp_path / "prefix")
    list(fit(rough, patches, weights=tiny_weights, folder=tmp_path / "quick", settings=cached))
    assert any(file.suffix == ".maps" for file in (tmp_path / "prefix").rglob("*"))
    assert ended(tmp_path / "plain") == ended(tmp_path / "quick")


@pytest.mark.parametrize("preset", ["modern", "paper"])
@pytest.mark.parametrize("arm", ["depth:2", "depth:6", "scratch"])
def test_an_interrupted_run_ends_in_the_bits_of_an_uninterrupted_one(
    arm, preset, spec, patches, tiny_weights, tmp_path
) -> None:
    asked = spec(arm, preset=preset, epochs=4)
    whole = list(fit(asked, patches, weights=tiny_weights, folder=tmp_path / "whole"))
    checkpoint = tmp_path / "parts" / "checkpoint.safetensors"
    settings = Settings(cache=tmp_path / "prefix")
    seen: list[Epoch] = []
    for _ in range(4):  # one epoch in each life, then the end
        kept = checkpoint if checkpoint.exists() else None
        run = fit(
            asked, patches, weights=tiny_weights, folder=tmp_path / "parts", checkpoint=kept,
            settings=settings,
        )  # fmt: skip
        seen.append(next(run))
        run.close()
    rest = fit(
        asked, patches, weights=tiny_weights, folder=tmp_path / "parts", checkpoint=checkpoint
    )
    assert list(rest) == []
    assert ended(tmp_path / "whole") == ended(tmp_path / "parts")
    assert [(e.epoch, e.loss, e.validation) for e in whole] == [
        (e.epoch, e.loss, e.validation) for e in seen
    ]
    proofs = [results.read(tmp_path / kind).freeze_proof for kind in ("whole", "parts")]
    assert proofs[0] == proofs[1]


def test_stop_is_heard_before_the_next_step_and_the_checkpoint_stands(
    spec, patches, tiny_weights, tmp_path
) -> None:
    asked, heard = spec("depth:2"), iter([False] * 5 + [True] * 99)
    seen = list(
        fit(asked, patches, weights=tiny_weights, folder=tmp_path, stop=lambda: next(heard))
    )
    assert [epoch.epoch for epoch in seen] == [1]  # three steps an epoch; stopped in the second
    assert results.read(tmp_path) is None
    checkpoint = tmp_path / "checkpoint.safetensors"
    rest = fit(asked, patches, weights=tiny_weights, folder=tmp_path, checkpoint=checkpoint)
    assert [epoch.epoch for epoch in rest] == [2, 3]


def test_a_checkpoint_of_another_run_is_refused(spec, patches, tiny_weights, tmp_path) -> None:
    list(fit(spec("depth:2"), patches, weights=tiny_weights, folder=tmp_path))
    checkpoint = tmp_path / "checkpoint.safetensors"
    with pytest.raises(BadDataError, match="belongs to another run"):
        list(
            fit(
                spec("depth:2", seed=1),
                patches,
                weights=tiny_weights,
                folder=tmp_path,
                checkpoint=checkpoint,
            )
        )


def test_the_proof_counts_what_was_frozen_and_what_moved(
    spec, patches, tiny_weights, tmp_path
) -> None:
    list(fit(spec("depth:2"), patches, weights=tiny_weights, folder=tmp_path))
    found = results.read(tmp_path)
    # stem and three blocks: a convolution's weight and five tensors of a norm each
    assert found.freeze_proof["frozen_tensors"] == 4 * 6
    assert found.freeze_proof["frozen_unchanged"] and found.freeze_proof["trainable_moved"]
    assert found.freeze_proof["digest_before"] == found.freeze_proof["digest_after"]
    assert found.trainable_parameters == 27776 + 130
    assert found.stop_reason == "converged"


def test_a_run_fails_when_a_frozen_tensor_moved(
    spec, patches, tiny_weights, tmp_path, monkeypatch
) -> None:
    real = loop.step

    def meddling(run, batch):
        with torch.no_grad():
            run.tuned.network[0][0].weight.mul_(1.001)
        return real(run, batch)

    monkeypatch.setattr(loop, "step", meddling)
    with pytest.raises(FreezeError):
        list(fit(spec("depth:2"), patches, weights=tiny_weights, folder=tmp_path))
    assert not (tmp_path / "weights.safetensors").exists()


def test_a_loss_that_is_not_finite_ends_the_run_at_once(
    spec, patches, tiny_weights, tmp_path
) -> None:
    wild = spec("depth:6", preset="paper", learning_rate=1e30, head_learning_rate=1e30)
    with pytest.raises(DivergedError, match="lower learning rate") as caught:
        list(fit(wild, patches, weights=tiny_weights, folder=tmp_path))
    assert caught.value.code == "diverged"


def test_a_depth_without_weights_is_refused_and_scratch_is_not(spec, patches, tmp_path) -> None:
    with pytest.raises(WeightsError, match="needs weights"):
        list(fit(spec("depth:2"), patches, weights=None, folder=tmp_path))
    assert len(list(fit(spec("scratch", epochs=1), patches, weights=None, folder=tmp_path))) == 1


def test_patience_stops_and_the_best_epoch_is_kept(
    spec, patches, tiny_weights, tmp_path, monkeypatch
) -> None:
    ranks = iter([0.6, 0.8, 0.7, 0.8, 0.9])
    kept: list[dict[str, torch.Tensor]] = []

    def scripted(run, tick):
        kept.append({k: t.clone() for k, t in run.tuned.tensors(frozen=False).items()})
        value = next(ranks)
        return {"auc": value, "loss": 1.0}, [value, -1.0]

    monkeypatch.setattr(loop.Run, "validate", scripted)
    asked = spec("depth:1", epochs=9, patience=2)
    epochs = list(fit(asked, patches, weights=tiny_weights, folder=tmp_path))
    assert [epoch.best for epoch in epochs] == [True, True, False, False]
    found = results.read(tmp_path)
    assert (found.stop_reason, found.best_epoch) == ("early_stopping", 2)
    from_file = torch.from_numpy(_tensor(tmp_path, "classifier.3.weight"))
    assert torch.equal(from_file, kept[1]["classifier.3.weight"])


def _tensor(folder: Path, name: str) -> np.ndarray:
    return load_file(folder / "weights.safetensors")[name]


def test_a_batch_that_does_not_fit_is_halved_once(
    spec, patches, tiny_weights, tmp_path, monkeypatch
) -> None:
    real, sizes = loop.step, []

    def cramped(run, batch):
        sizes.append((len(batch), run.progress.parts))
        if run.progress.parts == 1:
            raise torch.OutOfMemoryError("not enough memory: you tried to allocate 9 bytes")
        return real(run, batch)

    monkeypatch.setattr(loop, "step", cramped)
    assert len(list(fit(spec("depth:2"), patches, weights=tiny_weights, folder=tmp_path))) == 3
    assert sizes[:3] == [(13, 1), (13, 2), (13, 2)]


def test_a_batch_that_does_not_fit_in_halves_says_what_to_do(
    spec, patches, tiny_weights, tmp_path, monkeypatch
) -> None:
    def full(run, batch):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(loop, "step", full)
    with pytest.raises(OutOfMemoryError, match="smaller batch_size") as caught:
        list(fit(spec("depth:2"), patches, weights=tiny_weights, folder=tmp_path))
    assert caught.value.code == "out_of_memory"


def test_halves_give_the_gradient_of_the_whole(spec, patches, tiny_weights, tmp_path) -> None:
    asked, losses, grads = spec("depth:1"), [], []
    for parts in (1, 2):
        run = loop.begin(asked, patches, tiny_weights, tmp_path, None, loop.UNCACHED, loop.quiet)
        run.tuned.eval()  # no dropout: the halves differ in nothing else
        run.progress.parts = parts
        run.optimiser.step = lambda: None  # type: ignore[method-assign]
        losses.append(loop.step(run, np.arange(13)))
        grads.append(run.tuned.network[-1][-1].weight.grad.clone())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert torch.allclose(grads[0], grads[1], atol=1e-6)


def test_there_is_never_a_batch_of_one() -> None:
    assert [len(part) for part in batched(np.arange(40), 13)] == [13, 13, 14]
    assert [len(part) for part in batched(np.arange(41), 13)] == [13, 13, 13, 2]
    assert [len(part) for part in batched(np.arange(5), 2)] == [2, 3]
    assert [len(part) for part in batched(np.arange(1), 8)] == [1]


def test_an_epoch_shows_every_patch_once_in_an_order_of_its_own(spec, patches: PatchSet) -> None:
    first, again, second = (
        np.concatenate(epoch_views(patches, spec(), epoch)) // 3 for epoch in (0, 0, 1)
    )
    assert sorted(first) == list(range(40))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    other = np.concatenate(epoch_views(patches, spec(seed=1), 0)) // 3
    assert not np.array_equal(first, other)


def test_an_epoch_of_a_small_set_shows_further_variants(spec, patches: PatchSet) -> None:
    asked = spec(least_steps=9, batch_size=10, variants=3, epochs=4)  # 40 patches: 4 steps a pass
    seen = [np.concatenate(epoch_views(patches, asked, epoch)) for epoch in range(2)]
    assert [len(views) for views in seen] == [120, 120]
    assert all(len(set(views.tolist())) == 120 for views in seen)  # no view twice
    enough = spec(least_steps=4, batch_size=10, variants=3, epochs=4)
    assert len(np.concatenate(epoch_views(patches, enough, 0))) == 40
    two = spec(least_steps=8, batch_size=10, variants=3, epochs=4)
    shown = [np.concatenate(epoch_views(patches, two, epoch)) for epoch in range(3)]
    assert [sorted(set((views % 3).tolist())) for views in shown] == [[0, 1], [0, 2], [1, 2]]


def test_stratifying_keeps_the_positives_and_draws_negatives_down() -> None:
    truth = np.array([1, 1, 1] + [0] * 9)
    rng = np.random.default_rng(0)
    kept = stratified(np.arange(12), truth, 1, rng)
    assert np.bincount(truth[kept]).tolist() == [3, 3]
    assert {0, 1, 2} <= set(kept.tolist())
    fewer = stratified(np.arange(12), 1 - truth, 1, rng)  # nine positives: none is dropped
    assert np.bincount((1 - truth)[fewer]).tolist() == [3, 9]
    several = np.array([0] * 5 + [1] * 3 + [2] * 7)
    even = stratified(np.arange(15), several, None, rng)
    assert np.bincount(several[even]).tolist() == [3, 3, 3]


def test_the_seed_alone_decides_the_new_head(spec, patches, tiny_weights, tmp_path) -> None:
    heads = [
        Witness.of(
            loop.begin(
                spec(arm, seed=seed),
                patches,
                tiny_weights,
                tmp_path,
                None,
                loop.UNCACHED,
                loop.quiet,
            ).tuned
        ).tuned["classifier.3.weight"]
        for arm, seed in (("depth:1", 0), ("depth:6", 0), ("depth:1", 1))
    ]
    assert heads[0] == heads[1] != heads[2]


def test_tuning_goes_on_from_a_model(spec, patches, tiny_weights, tmp_path) -> None:
    first = list(fit(spec("depth:6", epochs=6), patches, weights=tiny_weights, folder=tmp_path))
    start = tmp_path / "weights.safetensors"
    again = list(fit(spec("depth:1", epochs=1), patches, weights=start, folder=tmp_path / "b"))
    assert again[0].loss < first[0].loss  # the head came along


def test_the_weights_file_does_not_know_when_or_where_it_was_made(
    spec, patches, tiny_weights, tmp_path
) -> None:
    for name in ("one", "two"):
        list(fit(spec("depth:2"), patches, weights=tiny_weights, folder=tmp_path / name))
    assert ended(tmp_path / "one") == ended(tmp_path / "two")


@pytest.mark.parametrize("arm", ["depth:2", "depth:6", "scratch"])
def test_a_run_is_the_plain_loop_on_the_same_views(
    arm, spec, patches, tiny_weights, tmp_path
) -> None:
    """No trick costs accuracy: torch's own schedule and a dozen lines end in the same weights.

    What a benchmark shows between a loop that draws its own views and a run is chance, therefore.
    """
    asked = spec(arm, epochs=4)
    list(fit(asked, patches, weights=tiny_weights, folder=tmp_path))
    tuned, best = plainly(asked, patches, tiny_weights)
    found = load_file(tmp_path / "weights.safetensors")
    assert results.read(tmp_path).best_epoch == best
    for name, tensor in tuned.items():
        np.testing.assert_allclose(found[name], tensor, rtol=1e-4, atol=1e-6, err_msg=name)


def plainly(asked, patches, weights):
    """The weights of the best epoch of a plain loop, and its number."""
    torch.manual_seed(derive(asked.seed, "start"))
    network = backbones()["tiny"].build(2, None if asked.arm == "scratch" else str(weights))
    tuned = Tuned(network, rates(parse(asked.arm, 6), backbones()["tiny"].layers, asked.recipe))
    steps = optimiser(tuned, asked.recipe)
    batches = [
        [views // patches.variants for views in epoch_views(patches, asked, epoch)]
        for epoch in range(asked.recipe.epochs)
    ]
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        steps, [group["peak"] for group in steps.param_groups], total_steps=sum(map(len, batches))
    )
    maps = Inputs.of(backbones()["tiny"], torch.device("cpu"))
    kept, best = {}, (-1.0, 0.0, 0)
    for epoch, rows in enumerate(batches):
        tuned.train()
        torch.manual_seed(derive(asked.seed, "epoch", epoch))
        for row in rows:
            logits = network(maps(np.array(patches.train[row, epoch % patches.variants])))
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(patches.classes[row]))
            steps.zero_grad()
            loss.backward()
            steps.step()
            cycle.step()
        tuned.eval()
        with torch.no_grad():
            logits = network(maps(np.array(patches.validation)))
        truth = np.array([row.truth for row in patches.validation_rows])
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(truth)).item()
        value = auc(truth == 1, torch.softmax(logits, 1)[:, 1].double().numpy())
        if (value, -loss) > best[:2]:
            best = (value, -loss, epoch + 1)
            kept = {name: tensor.clone().numpy() for name, tensor in network.state_dict().items()}
    return kept, best[2]


def test_without_a_patch_of_the_positive_class_there_is_nothing_to_stratify() -> None:
    with pytest.raises(BadDataError, match="positive"):
        stratified(np.arange(4), np.zeros(4, np.int64), 1, np.random.default_rng(0))
