"""A synthetic ultrasound: one lesion in speckle, drawn from arithmetic alone."""

import numpy as np

from models.task import Phantom


def patient(rng: np.random.Generator, index: int) -> Phantom:
    raise NotImplementedError
