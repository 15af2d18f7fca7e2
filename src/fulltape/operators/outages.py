"""Outages: when an instrument's trades were not, or not all, received. Tells why a window is empty."""

from __future__ import annotations

from fulltape.records import Batch, CoverageState, EmptyReason
from fulltape.records.columns import NULL_INT

_KEEP = 256
_REASONS = {int(CoverageState.DOWN): EmptyReason.VENUE_DOWN, int(CoverageState.GAP): EmptyReason.GAP}


class Outages:
    """The newest stretches of each instrument that were not complete, from coverage rows of the trades channel."""

    def __init__(self) -> None:
        self._stretches: dict[int, dict[tuple[int, str], tuple[int, EmptyReason]]] = {}

    def apply(self, coverage: Batch | None) -> None:
        """Take changed ledger rows; a stretch that turned complete is forgotten."""
        if coverage is None:
            return
        names = ("instrument", "channel", "start", "end", "state", "first_missing")
        for code, channel, start, end, state, first in zip(*(coverage[n].tolist() for n in names), strict=True):
            if channel != "trades":
                continue
            known = self._stretches.setdefault(code, {})
            reason = _REASONS.get(state)
            if reason is None:
                known.pop((start, first), None)
                continue
            known[start, first] = (end, reason)
            if len(known) > _KEEP:
                del known[next(iter(known))]

    def reason(self, instrument: int, start: int, end: int) -> EmptyReason:
        """Return why a window [start, end) without trades is empty; a hole outweighs an outage."""
        found = EmptyReason.QUIET
        for (begin, _), (until, reason) in self._stretches.get(instrument, {}).items():
            if begin < end and (until == NULL_INT or until > start):
                if reason is EmptyReason.GAP:
                    return reason
                found = reason
        return found
