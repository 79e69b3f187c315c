import numpy as np

from models.imaging.vessels.toboggan import toboggan


def test_every_voxel_slides_to_its_own_summit() -> None:
    height = np.zeros((1, 1, 8), dtype=np.float32)
    height[0, 0] = [1, 2, 3, 2, 1, 4, 5, 0]
    voxels, summits = toboggan(height, 0.5)
    assert voxels.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert summits.tolist() == [2, 2, 2, 2, 6, 6, 6]


def test_a_plateau_has_one_summit() -> None:
    height = np.zeros((5, 5, 5), dtype=np.float32)
    height[1:4, 1:4, 1:4] = 1
    voxels, summits = toboggan(height, 0.5)
    assert len(voxels) == 27
    assert set(summits.tolist()) == {int(np.ravel_multi_index((3, 3, 3), height.shape))}


def test_nothing_above_the_least_is_no_cluster() -> None:
    voxels, summits = toboggan(np.zeros((3, 3, 3), dtype=np.float32), 0.5)
    assert len(voxels) == len(summits) == 0
