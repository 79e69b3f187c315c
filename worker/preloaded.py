"""Imported by the nursery's server alone: what every lane needs (worker/nursery.py)."""

import atexit
import os
import sys
import warnings

import worker.lane
import worker.main  # noqa: F401 - a fork goes through its parent's main module
from models.tuning import device

device.preload()

# A fork runs that module once more, by another name: it defines, and does nothing.
warnings.filterwarnings("ignore", "'worker.main' found in sys.modules", RuntimeWarning)

if sys.argv[:1] == ["-c"]:  # the server itself: it holds nothing, and goes at once with its worker
    atexit.register(os._exit, 0)
