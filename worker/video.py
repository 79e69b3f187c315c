"""`python -m worker.video PREDICTION`: a video or a volume answered, in a niced process of its own.

The worker stays with it (worker.jobs.tend): a crash is one loss, silence is the end of its lease.
What decodes the foreign bytes is a process below this one (models.imaging.cell).
"""

import sys

from worker.predict import predict_one
from worker.tether import tie


def main() -> int:
    tether = tie("predict")
    predict_one(tether.row_id, tether.owner, tether.stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
