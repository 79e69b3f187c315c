"""From a CT volume to places that might be emboli, and the vessel-aligned pictures of them."""

from models.imaging.vessels.candidates import Candidate, find
from models.imaging.vessels.patch import patch, patches, rephased

__all__ = ["Candidate", "find", "patch", "patches", "rephased"]
