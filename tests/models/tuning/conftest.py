"""A small world for tuning: bright squares on noise, the tiny network, one thread."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import weights
from models.discovery import backbones
from models.findings import Labels
from models.pack import Manifest, PackedCase, writing
from models.spec import Numerics, RunSpec, recipe
from models.tuning.patches.sets import PatchSet, in_memory

LABELS = Labels(("dark", "bright"), "bright")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture(rng: np.random.Generator, truth: int, size: int = 64) -> NDArray[np.uint8]:
    image = rng.integers(40, 160, (size, size, 3)).astype(np.uint8)
    if truth:
        image[size // 4 : size // 2, size // 4 : size // 2] = 220
    return image


@pytest.fixture(scope="session")
def patches() -> PatchSet:
    """40 training patches of 3 variants, 21 validation patches: never a round number of batches."""
    rng = np.random.default_rng(7)
    truth, held = rng.integers(0, 2, 40), rng.integers(0, 2, 21)
    train = np.stack([[picture(rng, t) for _ in range(3)] for t in truth])
    validation = np.stack([picture(rng, t) for t in held])
    return in_memory(train, truth.tolist(), validation, held.tolist(), LABELS)


@pytest.fixture(scope="session")
def tiny_weights() -> Path:
    found = weights.find(backbones()["tiny"])
    assert found is not None
    return found


MakeSpec = Callable[..., RunSpec]


@pytest.fixture
def spec() -> MakeSpec:
    def make(
        arm: str = "depth:2", seed: int = 0, dtype: str = "float32", **given: object
    ) -> RunSpec:
        preset = str(given.pop("preset", "modern"))
        given = {"epochs": 3, "batch_size": 13, "variants": 3, **given}
        return RunSpec(
            data_digest="data", split_digest="split", task="classification", classes=LABELS.names,
            positive=LABELS.positive, backbone="tiny", init="imagenet", arm=arm,
            recipe=recipe(preset, **given), seed=seed, fraction=1.0,
            numerics=Numerics("cpu", dtype, 1),
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 images of 24 subjects in the three parts, as the door would have packed them."""
    rng = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("pack") / "pack.zip"
    parts = ["train"] * 14 + ["validation"] * 5 + ["test"] * 5
    cases = []
    with writing(path) as writer:
        for index in range(48):
            subject, truth = index // 2, index % 2
            member = f"images/{index + 1:06d}.png"
            _, coded = cv2.imencode(".png", picture(rng, truth, 80))
            writer.add(member, coded.tobytes())
            cases.append(
                PackedCase(
                    case_id=f"case_{index + 1:06d}",
                    subject=f"s{subject}",
                    roles={"image": member},
                    label=LABELS.names[truth],
                    split=parts[subject],
                )
            )
        splits = {part: 2 * parts.count(part) for part in ("train", "validation", "test")}
        writer.finish(
            Manifest(
                task="classification",
                layout="class_folders",
                classes=LABELS.names,
                cases=tuple(cases),
                members=writer.members,
                positive="bright",
                counts={"files": 48, "cases": 48, "subjects": 24, "excluded": 0},
                class_counts={"dark": 24, "bright": 24},
                splits=splits,
            )
        )
    assert zipfile.is_zipfile(path)
    return path
