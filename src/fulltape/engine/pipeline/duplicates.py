"""Duplicates by instrument and day of receipt, counted on from one run to the next.

What is received at a time that the database had passed when this run began is a recording that is read once more,
not the venue's doing, and is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.records import DUPLICATES, Batch

_DAY_NS: Final = 86_400 * SECOND_NS
_KEPT_DAYS: Final = 2
"""Around midnight frames of several connections can be some milliseconds out of order."""


class Duplicates:
    """How many trades of each instrument were there already when a connection brought them, by day."""

    name = "duplicates"

    def __init__(self) -> None:
        self._counts: dict[int, dict[int, int]] = {}
        self._told: set[tuple[int, int]] = set()
        self._unsaved: set[int] = set()
        self._passed = np.iinfo(np.int64).min

    def note(self, trades: Batch) -> None:
        """Count trades that were there already."""
        news = trades["ingest_time"] > self._passed
        keys = np.stack((trades["instrument"][news], trades["ingest_time"][news] // _DAY_NS * _DAY_NS))
        found, counts = np.unique(keys, axis=1, return_counts=True)
        for (code, day), count in zip(found.T.tolist(), counts.tolist(), strict=True):
            days = self._counts.setdefault(code, {})
            days[day] = days.get(day, 0) + count
            if len(days) > _KEPT_DAYS:
                del days[min(days)]
            self._told.add((code, day))
            self._unsaved.add(code)

    def take(self) -> Batch:
        """Return the rows that changed since the last call."""
        rows = [
            (*told, self._counts[told[0]][told[1]]) for told in sorted(self._told) if told[1] in self._counts[told[0]]
        ]
        self._told.clear()
        codes, days, counts = zip(*rows, strict=True) if rows else ((), (), ())
        return DUPLICATES.from_columns({"instrument": codes, "day": days, "duplicates": counts})

    def begin(self, clock: int) -> None:
        """Count only what is received after ``clock`` (ns)."""
        self._passed = clock

    def snapshot(self) -> dict[int, bytes]:
        """Return the counts of each instrument that changed since the last call."""
        unsaved, self._unsaved = self._unsaved, set()
        return {code: msgspec.msgpack.encode(self._counts[code]) for code in unsaved}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended."""
        for code, data in states.items():
            self._counts[code] = msgspec.msgpack.decode(data, type=dict[int, int])
