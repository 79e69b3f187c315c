"""All of torch: patches, plan, prefix cache, fit, evaluation, checkpoint, export."""

import os

# Read by OpenMP when torch is first loaded. A thread that spins while it waits takes a core from
# whatever else runs here: beside the API and the tests a step took two to ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
