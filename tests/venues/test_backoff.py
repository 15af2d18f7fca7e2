"""Back-off."""

from __future__ import annotations

from random import Random

from fulltape.venues.backoff import Backoff


class Longest(Random):
    """Chance that always gives the longest wait."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_limit_doubles_up_to_the_cap_and_starts_anew() -> None:
    backoff = Backoff(Longest(), base_s=1.0, cap_s=60.0)
    assert [backoff.next_wait_s() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next_wait_s() == 1


def test_never_overflows() -> None:
    backoff = Backoff(Longest())
    assert [backoff.next_wait_s() for _ in range(2000)][-1] == 60


def test_jitter_is_full_and_seeded() -> None:
    waits = [Backoff(Random(seed), base_s=8.0).next_wait_s() for seed in range(200)]
    assert 0 <= min(waits) < 0.5
    assert 7.5 < max(waits) <= 8
    assert waits == [Backoff(Random(seed), base_s=8.0).next_wait_s() for seed in range(200)]
