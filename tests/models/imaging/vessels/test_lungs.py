"""Where emboli may lie: in the lungs and between them, never in the chest's wall."""

import numpy as np
from scipy import ndimage

from models.imaging.vessels.grid import regrid
from models.imaging.vessels.lungs import COARSE_MM, WALL_MM, find_lungs
from models.volume import Volume


def chest(fills: bool = False) -> Volume:
    """A body with a lung to either side, of which the right one ends above the left one."""
    z, y, x = np.mgrid[:30, :90, :120].astype(np.float32)
    voxels = np.full(z.shape, -1000, np.int16)
    voxels[((x - 60) / 52) ** 2 + ((y - 45) / 38) ** 2 < 1] = 40
    if fills:
        voxels[:] = 40
    for middle, lowest in ((36, 12), (84, 0)):
        voxels[(((x - middle) / 14) ** 2 + ((y - 45) / 24) ** 2 < 1) & (z >= lowest)] = -850
    return Volume(voxels, np.diag([COARSE_MM, COARSE_MM, COARSE_MM, 1.0]))


def test_beside_a_lung_that_is_alone_the_region_does_not_reach_the_skin() -> None:
    volume = chest()
    lungs = find_lungs(regrid(volume, COARSE_MM))
    depth = ndimage.distance_transform_edt(volume.voxels > -950) * COARSE_MM
    assert lungs.found and (lungs.region[lungs.field]).all()
    assert lungs.region[4].sum() > 1.5 * lungs.field[4].sum()  # it looks towards the middle
    assert (depth[lungs.region & ~lungs.field] > WALL_MM).all()


def test_the_pictures_edge_is_no_skin() -> None:
    lungs = find_lungs(regrid(chest(fills=True), COARSE_MM))
    assert lungs.found and lungs.region[20, 45, 60]
