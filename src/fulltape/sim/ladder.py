"""One side of a simulated book: price levels that makers keep around the fair price.

Both sides share one algorithm. Levels are kept under a *key* that grows towards the better price: the price itself,
in steps, for bids, and its negative for asks. The best level is then the largest key on either side.
"""

from __future__ import annotations

import math
from bisect import insort
from random import Random

LEVELS = 60
"""How many levels a side keeps."""

_NEW_PER_REQUOTE = 4  # a jump of the fair price is followed over several requotes, as makers do
_MAX_SIZE_FACTOR = 50.0


class Ladder:
    """The levels of one side; sizes are whole size steps and never zero."""

    def __init__(self, rng: Random, level_lots: float) -> None:
        self.keys: list[int] = []
        self.lots: dict[int, int] = {}
        self._rng = rng
        self._level_lots = level_lots

    def fill(self, centre: float, half_spread: float) -> None:
        """Build all levels around a centre (the signed fair price) that has none yet."""
        best = math.floor(centre - half_spread)
        self.keys.append(best)
        self.lots[best] = self._new_size()
        self._extend(half_spread, [])

    def take(self, lots: int) -> tuple[int, int]:
        """Take up to ``lots`` from the best level; return its key and how many it gave."""
        key = self.keys[-1]
        there = self.lots[key]
        if lots < there:
            self.lots[key] = there - lots
            return key, lots
        self.keys.pop()
        del self.lots[key]
        return key, there

    def requote(self, centre: float, half_spread: float) -> list[int]:
        """Move the quotes after the fair price and return the keys that changed.

        Quotes between half and one and a half spreads from the fair price stay where they are, so the spread breathes.
        Every key left is at most ``centre - half_spread / 2``: two sides around one fair price can't cross.
        """
        changed: list[int] = []
        limit = math.floor(centre - 0.5 * half_spread)
        keys = self.keys
        while keys and keys[-1] > limit:
            changed.append(keys.pop())
            del self.lots[changed[-1]]
        random = self._rng.random
        if not keys or keys[-1] < centre - 1.5 * half_spread:
            self._improve(math.floor(centre - half_spread * (0.6 + 0.8 * random())), half_spread, changed)
        near = keys[-1 - int(len(keys) * random() ** 3)]
        self.lots[near] = self._new_size()
        changed.append(near)
        while len(keys) > LEVELS:
            changed.append(keys.pop(0))
            del self.lots[changed[-1]]
        self._extend(half_spread, changed)
        return changed

    def levels(self) -> list[tuple[int, int]]:
        """Return (price, lots) from the best to the worst."""
        return [(abs(key), self.lots[key]) for key in reversed(self.keys)]

    def _improve(self, key: int, half_spread: float, changed: list[int]) -> None:
        best = self.keys[-1] if self.keys else key - 1
        for _ in range(_NEW_PER_REQUOTE):
            if key <= best:
                return
            insort(self.keys, key)
            self.lots[key] = self._new_size()
            changed.append(key)
            key -= self._gap(half_spread, 0)

    def _extend(self, half_spread: float, changed: list[int]) -> None:
        while len(self.keys) < LEVELS:
            key = self.keys[0] - self._gap(half_spread, len(self.keys))
            self.keys.insert(0, key)
            self.lots[key] = self._new_size()
            changed.append(key)

    def _gap(self, half_spread: float, depth: int) -> int:
        return 1 + int(half_spread * self._rng.random() * (1.0 + 0.1 * depth))

    def _new_size(self) -> int:
        # Pareto with tail exponent 2: most levels are small and a few are walls
        factor = min(0.5 / math.sqrt(1.0 - self._rng.random()), _MAX_SIZE_FACTOR)
        return 1 + int(self._level_lots * factor)
