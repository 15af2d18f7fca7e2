"""Back-off: how long to wait before trying again."""

from __future__ import annotations

from random import Random


class Backoff:
    """Exponential back-off with full jitter: a random wait up to a limit that doubles with each failure.

    So a thousand clients cut off at once do not come back at once. Durations are seconds; ``random`` is injected.
    """

    def __init__(self, random: Random, *, base_s: float = 1.0, cap_s: float = 60.0) -> None:
        self._random = random
        self._base_s = base_s
        self._cap_s = cap_s
        self._failures = 0

    def reset(self) -> None:
        """Start again from the shortest wait."""
        self._failures = 0

    def next_wait_s(self) -> float:
        """Return the wait after one more failure."""
        limit = min(self._cap_s, self._base_s * 2.0 ** min(self._failures, 64))
        self._failures += 1
        return self._random.uniform(0.0, limit)
