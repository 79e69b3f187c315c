"""What ships is evaluated in NumPy, to the numbers that PyTorch has for it."""

from pathlib import Path

import numpy as np
import torch

from models.imaging.vessels.straightened import network
from models.imaging.vessels.straightened.pictures import CHANNELS, LONG
from models.tuning.pretrain_straightened import Straightened, exported


def drawn(count: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, CHANNELS, LONG)).astype(np.float32)


def made() -> tuple[Straightened, network.Network]:
    torch.manual_seed(0)
    model = Straightened().eval()
    for one in model.parameters():
        torch.nn.init.normal_(one, std=0.1)
    middle, spread = (
        np.full((CHANNELS, 1), 0.3, np.float32),
        np.full((CHANNELS, 1), 2.0, np.float32),
    )
    return model, exported(model, middle, spread)


def test_numpy_says_what_torch_says_of_both_ends() -> None:
    model, own = made()
    seen = drawn(network.CHUNK + 7)
    with torch.no_grad():
        given = torch.tensor((seen - 0.3) / 2.0)
        right = (model(given) + model(given.flip(2))) / 2
    said = network.scores(seen, own)
    assert said.std() > 0.1 and np.abs(said - right.numpy()).max() < 1e-4


def test_a_vessel_from_its_other_end_is_the_same_vessel() -> None:
    seen = drawn(20)
    said = network.scores(seen, network.shipped())
    assert np.allclose(said, network.scores(seen[..., ::-1], network.shipped()), atol=1e-4)


def test_a_network_is_read_as_it_was_written(tmp_path: Path) -> None:
    _, own = made()
    network.write(own, tmp_path / "own.safetensors")
    again = network.read(tmp_path / "own.safetensors")
    assert np.array_equal(network.scores(drawn(9), own), network.scores(drawn(9), again))


def test_of_no_pictures_nothing_is_said() -> None:
    assert network.scores(drawn(0), network.shipped()).shape == (0,)
