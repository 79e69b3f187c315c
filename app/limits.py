"""How often a key may ask: a token bucket for each, and what its replies say of it."""

import math
import time
from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Grant:
    """What a bucket said: `wait_s` is 0, or how long to wait; `left` whole requests at once."""

    wait_s: float
    rate: float
    burst: float
    left: float

    def headers(self) -> Headers:
        """RateLimit-Limit, -Remaining and -Reset: seconds until the bucket is full again."""
        burst = int(self.burst)
        full_s = math.ceil((self.burst - self.left) / self.rate)
        return [
            (b"ratelimit-limit", b"%d" % burst),
            (b"ratelimit-remaining", b"%d" % self.left),
            (b"ratelimit-reset", b"%d" % full_s),
            (b"ratelimit-policy", b"%d;w=%d" % (burst, math.ceil(self.burst / self.rate))),
        ]


class Buckets:
    """A token bucket per key: `rate` a second, and a burst of as many at once."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str, rate: float | None = None, at: float | None = None) -> Grant:
        """Takes a token; a key's own rate holds below the service's. On the event loop only."""
        at = time.monotonic() if at is None else at
        rate = self.rate if rate is None else min(rate, self.rate)
        burst = max(1.0, rate)
        tokens, last = self._left.get(key_id, (burst, at))
        tokens = min(burst, tokens + (at - last) * rate)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / rate
        tokens -= 0 if wait_s else 1
        self._left[key_id] = (tokens, at)
        return Grant(wait_s, rate, burst, tokens)
