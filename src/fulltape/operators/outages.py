"""Outages: when an instrument's trades were not, or not all, received. Tells why a window is empty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from fulltape.records import Batch, CoverageState, EmptyReason
from fulltape.records.columns import NULL_INT

_KEEP: Final = 256
_FOREVER: Final = int(np.iinfo(np.int64).max)
_REASONS: Final = {
    CoverageState.DOWN: EmptyReason.VENUE_DOWN,
    CoverageState.GAP: EmptyReason.GAP,
    CoverageState.NOT_FOLLOWED: EmptyReason.NOT_FOLLOWED,
}

Saved = list[tuple[int, str, int, int]]
"""The outages of one instrument on disk: start, first missing id, end, reason."""


class Stretch(NamedTuple):
    """A stretch of time [start, end) (ns) of one instrument."""

    instrument: int
    start: int
    end: int


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the same time in stretches that neither overlap nor touch, by instrument and start."""
    found: list[Stretch] = []
    for one in sorted(stretches):
        last = found[-1] if found else None
        if last is not None and last.instrument == one.instrument and one.start <= last.end:
            found[-1] = last._replace(end=max(last.end, one.end))
        else:
            found.append(one)
    return found


class Outages:
    """The newest stretches of each instrument that were not complete, from coverage rows of the trades channel."""

    def __init__(self) -> None:
        self._stretches: dict[int, dict[tuple[int, str], tuple[int, EmptyReason]]] = {}

    def apply(self, coverage: Batch | None) -> list[Stretch]:
        """Take changed ledger rows and return the stretches over which the reason may now be another one."""
        if coverage is None:
            return []
        names = ("instrument", "channel", "start", "end", "state", "first_missing")
        changed = []
        for code, channel, start, end, state, first in zip(*(coverage[n].tolist() for n in names), strict=True):
            if channel == "trades":
                until = _FOREVER if end == NULL_INT else end
                reason = _REASONS.get(CoverageState(state))
                old = self._replace(code, (start, first), None if reason is None else (until, reason))
                if old is not None or reason is not None:
                    changed.append(Stretch(code, start, max(until, old[0]) if old else until))
        return changed

    def reason(self, instrument: int, start: int, end: int) -> EmptyReason:
        """Return why a window [start, end) without trades is empty; a hole outweighs an outage."""
        found = EmptyReason.QUIET
        for (begin, _), (until, reason) in self._stretches.get(instrument, {}).items():
            if begin < end and until > start:
                if reason is EmptyReason.GAP:
                    return reason
                found = reason
        return found

    def unfollowed_since(self, instrument: int) -> int | None:
        """Return since when (ns) nobody follows an instrument, None if it is followed."""
        known = reversed(self._stretches.get(instrument, {}).items())
        return next((s for (s, _), last in known if last == (_FOREVER, EmptyReason.NOT_FOLLOWED)), None)

    def save(self, instrument: int) -> Saved:
        """Return an instrument's outages as they go into a snapshot."""
        known = self._stretches.get(instrument, {})
        return [(start, first, end, int(reason)) for (start, first), (end, reason) in known.items()]

    def restore(self, instrument: int, saved: Saved) -> None:
        """Take up an instrument's outages."""
        self._stretches[instrument] = {(start, first): (end, EmptyReason(why)) for start, first, end, why in saved}

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the outages of instruments."""
        for code in instruments:
            self._stretches.pop(code, None)

    def _replace(
        self, code: int, key: tuple[int, str], new: tuple[int, EmptyReason] | None
    ) -> tuple[int, EmptyReason] | None:
        """Set or drop one stretch and return what it was before; beyond a bound the oldest is forgotten."""
        known = self._stretches.setdefault(code, {})
        old = known.get(key)
        if new is None:
            known.pop(key, None)
        else:
            known[key] = new
            if len(known) > _KEEP:
                del known[next(iter(known))]
        return old
