"""A synthetic colonoscopy: frames of one tube, readable or spoilt, drawn from arithmetic alone."""

import numpy as np

from models.task import Phantom


def video(rng: np.random.Generator, index: int) -> Phantom:
    raise NotImplementedError
