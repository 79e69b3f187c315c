"""A child for tests: claims a data set, then does as its environment says."""

import os
import signal
import sys
import time

from app.db import lifecycle
from app.db.session import writing
from app.db.tables import Dataset
from app.settings import settings
from worker.tether import tie


def main() -> int:
    tether = tie("stubborn")
    with writing() as session:
        lifecycle.claim(session, Dataset, tether.row_id, tether.owner, settings().lease_s)
    how = os.environ["STUBBORN"]
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "deaf":
        time.sleep(60)  # deaf to everything but a kill
    tether.stop.wait(30)
    return 7


if __name__ == "__main__":
    sys.exit(main())
