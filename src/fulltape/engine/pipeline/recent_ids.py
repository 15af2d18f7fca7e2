"""Duplicates among trades whose ids tell no order: the newest ids of each instrument are remembered.

For venues whose ids are UUIDs, or grow with jumps. They cannot prove that nothing is missing; that is left to time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, islice
from typing import Final

import numpy as np

from fulltape.records import Batch
from fulltape.records.columns import high

KEPT: Final = 16_384
"""Ids remembered per instrument: far more than a venue repeats after a reconnection."""
SAVED: Final = 512
"""Ids of them that survive a restart."""


class RecentIds:
    """The newest trade ids of each instrument, oldest first."""

    name = "recent_ids"

    def __init__(self) -> None:
        self._ids: dict[int, dict[tuple[int, int], None]] = {}
        self._changed: set[int] = set()

    def duplicates(self, trades: Batch) -> list[int]:
        """Remember the ids of ``trades`` and return the positions of those that were known."""
        found: list[int] = []
        names = ("instrument", "trade_id", high("trade_id"))
        for position, (code, *halves) in enumerate(zip(*(trades[name].tolist() for name in names), strict=True)):
            known = self._ids.setdefault(code, {})
            trade_id = (halves[0], halves[1])
            if trade_id in known:
                found.append(position)
                continue
            known[trade_id] = None
            if len(known) > KEPT:
                del known[next(iter(known))]
            self._changed.add(code)
        return found

    def snapshot(self) -> dict[int, bytes]:
        """Return the newest ids of each instrument that changed since the last call."""
        changed, self._changed = self._changed, set()
        return {code: _newest(self._ids[code]) for code in changed}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended."""
        for code, data in states.items():
            pairs = np.frombuffer(data, np.int64).reshape(-1, 2).tolist()
            self._ids[code] = {(low, upper): None for low, upper in pairs}

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the ids of instruments."""
        for code in instruments:
            self._ids.pop(code, None)
            self._changed.discard(code)


def _newest(ids: dict[tuple[int, int], None]) -> bytes:
    """Return the halves of the newest ids, oldest first; what it costs does not grow with how many are remembered."""
    newest = list(islice(reversed(ids), SAVED))
    return np.fromiter(chain.from_iterable(reversed(newest)), np.int64, 2 * len(newest)).tobytes()
