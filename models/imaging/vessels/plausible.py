"""How plausible a volume's places are as emboli: two forests that know facts of each, and a network
that sees its vessel laid straight, added up.
"""

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.imaging.vessels.beside import greys
from models.imaging.vessels.forests import forest, second_look
from models.imaging.vessels.places import Places
from models.imaging.vessels.scene import Scene
from models.imaging.vessels.straightened import network
from models.imaging.vessels.straightened.pictures import Pictures, pictures

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

MADE = 2  # raised with each change of how places are found and told: what was made before differs
ASKED = 1500  # places of a volume that the network is asked about: what the forests find likeliest
# Under which the sum is log odds, roughly: fitted on phantoms of the other population and on
# strangers (benchmarks/stranger.py) that neither was fitted on and no benchmark counts.
FROM, FORESTS, NETWORK = -3.9, 0.53, 0.75


def plausibility(scene: Scene, found: Places) -> Floats:
    """[n] of a volume's places: log odds among them, roughly. What the network is not asked about
    is as if it had said the worst it said of any.
    """
    said = second_look.plausibility(found)
    if not len(said):
        return said
    asked = likeliest(said)
    seen = network.scores(shown(scene, found, asked), network.shipped())
    every = np.full(len(said), seen.min())
    every[asked] = seen
    return FROM + FORESTS * said + NETWORK * every


def likeliest(said: Floats) -> Index:
    """The places that the network is asked about."""
    return np.argsort(-said, kind="stable")[:ASKED]


def shown(scene: Scene, found: Places, which: Index) -> Pictures:
    """The straightened vessels of some places."""
    picture = greys(scene.grid.hu, scene.contrast)
    return pictures(picture, found.vessel[which], scene.grid.step_mm)


@cache
def edition() -> str:
    """Names how candidates are found here: what a model learned of, and what the weights of its
    score are fitted to.
    """
    files = (forest.FIRST, forest.SECOND, network.FILE)
    said = [str(MADE).encode(), *(file.read_bytes() for file in files)]
    return hashlib.sha256(b"".join(said)).hexdigest()[:12]
