"""A decoder for tests that never finds a frame."""

import time

time.sleep(60)
