"""Spans: stretches of time that do not touch each other, in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final, Self

import msgspec

FOREVER: Final = 2**63 - 1
"""The end (ns) of a stretch that goes on."""


class Spans(msgspec.Struct, array_like=True):
    """Half-open stretches [start, end) (ns). Those that touch are one."""

    items: list[tuple[int, int]] = []

    @classmethod
    def union(cls, parts: Iterable[Spans]) -> Self:
        """Return what any of ``parts`` covers."""
        whole = cls()
        for part in parts:
            for start, end in part.items:
                whole.add(start, end)
        return whole

    def add(self, start: int, end: int) -> None:
        """Cover [start, end)."""
        if start >= end:
            return
        first = bisect_left(self.items, start, key=lambda item: item[1])
        stop = bisect_right(self.items, end, key=lambda item: item[0])
        touched = self.items[first:stop]
        if touched:
            start, end = min(start, touched[0][0]), max(end, touched[-1][1])
        self.items[first:stop] = [(start, end)]

    def remove(self, start: int, end: int) -> None:
        """Uncover [start, end)."""
        kept = [part for item in self.items for part in ((item[0], min(item[1], start)), (max(item[0], end), item[1]))]
        if start < end:
            self.items = [part for part in kept if part[0] < part[1]]

    def covers(self, start: int, end: int) -> bool:
        """Return whether all of [start, end) is covered."""
        place = bisect_right(self.items, start, key=lambda item: item[0]) - 1
        return start >= end or (place >= 0 and self.items[place][1] >= end)

    def around(self, time: int) -> tuple[int, int] | None:
        """Return the stretch that holds ``time``, or None."""
        place = bisect_right(self.items, time, key=lambda item: item[0]) - 1
        return self.items[place] if place >= 0 and time < self.items[place][1] else None

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return what of [start, end) is not covered, oldest first."""
        found, at = [], start
        for first, last in self.items:
            if at < first and at < end:
                found.append((at, min(first, end)))
            at = max(at, last)
        return [*found, (at, end)] if at < end else found
