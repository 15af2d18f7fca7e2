"""Duplicates among trades whose ids tell no order: the newest ids of each instrument are remembered.

For venues whose ids are UUIDs, or grow with jumps. They cannot prove that nothing is missing; that is left to time.
What comes again has the time that it had. So a known id with a time more than a second later (`ANEW_NS`) is another
trade, of a venue whose ids have started again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from fulltape.engine.pipeline.sequencer import ANEW_NS
from fulltape.kernel import inline, kernel
from fulltape.records import Array, Batch
from fulltape.records.columns import high

KEPT: Final = 8_192
"""So many of the newest ids are remembered per instrument, and twice as many at most: far more than a venue repeats
after a reconnection."""
SAVED: Final = 512
"""Ids of them that survive a restart."""

_LOW: Final = 0
_HIGH: Final = 1
_TIME: Final = 2
_UNKNOWN: Final = np.iinfo(np.int64).max // 2  # the time of an id that was saved without: nothing is later
_WITH_TIMES: Final = b"\x03"  # begins what is saved; an older fulltape saved pairs, without anything before them
_LEAST: Final = 16

_FACTORS: Final = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))

_Table = tuple[Array, Array, int]
"""Ids in order of arrival (low, high, time), the position of each by its hash, and how many there are."""


@inline
def _place(index: Array, rows: Array, low: int, upper: int, spread: int) -> int:
    """Return the place of an id in an index, or the empty one where it belongs. Some are always empty."""
    mask = len(index) - 1
    place = spread & mask
    while index[place] >= 0 and (rows[index[place], _LOW] != low or rows[index[place], _HIGH] != upper):
        place = (place + 1) & mask
    return place


@kernel
def admit(ids: Array, spread: Array, first: int, stop: int, known: Array, new: _Table, old: _Table) -> Any:
    """Put ids (low, high, time) among the ``new`` ones, as long as there is room; what is ``old`` is known too.

    ``new`` and ``old`` are rows (low, high, time), the position of each by its hash, and how many there are. Writes
    whether each was ``known``; returns how many new ones there are now, and the first id for which there is no room.
    """
    rows, index, count = new
    old_rows, old_index, _ = old
    for i in range(first, stop):
        low, upper, time = ids[i, _LOW], ids[i, _HIGH], ids[i, _TIME]
        place = _place(index, rows, low, upper, spread[i])
        held = index[place]
        if held >= 0:
            known[i] = time <= rows[held, _TIME] + ANEW_NS
            rows[held, _TIME] = max(rows[held, _TIME], time)
            continue
        before = old_index[_place(old_index, old_rows, low, upper, spread[i])]
        known[i] = before >= 0 and time <= old_rows[before, _TIME] + ANEW_NS
        if known[i]:
            continue
        if count == len(rows):
            return count, i
        rows[count, _LOW], rows[count, _HIGH], rows[count, _TIME] = low, upper, time
        index[place] = count
        count += 1
    return count, stop


@kernel
def fill(rows: Array, spread: Array, index: Array) -> None:
    """Put the first rows into an empty index."""
    for i in range(len(spread)):
        index[_place(index, rows, rows[i, _LOW], rows[i, _HIGH], spread[i])] = i


def scattered(ids: Array) -> Array:
    """Return a number for each id of which every bit depends on all of its bits: MurmurHash3's last step, twice."""
    bits = ids.view(np.uint64)
    mixed = np.zeros(len(ids), np.uint64)
    for half in (_HIGH, _LOW):
        mixed ^= bits[:, half]
        for factor in _FACTORS:
            mixed = (mixed ^ (mixed >> np.uint64(33))) * factor
        mixed ^= mixed >> np.uint64(33)
    return mixed.view(np.int64)


class _Remembered:
    """The newest ids of one instrument: those that are gathered now, and the `KEPT` before them. Grows as it fills."""

    __slots__ = ("_new", "_old")

    def __init__(self) -> None:
        self._new = _table(_LEAST)
        self._old = _table(1)

    def take(self, ids: Array, spread: Array, first: int, stop: int, known: Array) -> None:
        """Remember some of ``ids`` (low, high, time), and write which of them were known."""
        while True:
            count, first = admit(ids, spread, first, stop, known, self._new, self._old)
            rows, index, _ = self._new
            self._new = rows, index, count
            if first == stop:
                return
            if count < KEPT:
                self._new = _table(min(KEPT, count + stop - first), rows[:count])
            else:
                self._old, self._new = self._new, _table(_LEAST)

    def newest(self, most: int) -> Array:
        """Return the newest ids with their times, oldest first."""
        (old, _, before), (new, _, count) = self._old, self._new
        return np.concatenate((old[:before], new[:count]))[-most:]


class RecentIds:
    """The newest trade ids of each instrument."""

    name = "recent_ids"

    def __init__(self) -> None:
        self._ids: dict[int, _Remembered] = {}
        self._changed: set[int] = set()

    def duplicates(self, trades: Batch) -> list[int]:
        """Remember the ids of ``trades`` and return the positions of those that were known."""
        codes = trades["instrument"]
        order = np.argsort(codes, kind="stable")
        ids = np.column_stack((trades["trade_id"], trades[high("trade_id")], trades["event_time"]))[order]
        spread, known = scattered(ids), np.empty(len(ids), np.bool_)
        bounds = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1)).tolist()
        for first, stop in itertools.pairwise(bounds):
            code = int(codes[order[first]])
            remembered = self._ids.get(code)
            if remembered is None:
                remembered = self._ids[code] = _Remembered()
            remembered.take(ids, spread, first, stop, known)
            self._changed.add(code)
        found: list[int] = np.sort(order[known]).tolist()
        return found

    def snapshot(self) -> dict[int, bytes]:
        """Return the newest ids of each instrument that changed since the last call."""
        changed, self._changed = self._changed, set()
        return {code: _WITH_TIMES + self._ids[code].newest(SAVED).tobytes() for code in changed}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended."""
        for code, data in states.items():
            ids = _saved(data)
            self._ids[code] = _Remembered()
            self._ids[code].take(ids, scattered(ids), 0, len(ids), np.empty(len(ids), np.bool_))

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the ids of instruments."""
        for code in instruments:
            self._ids.pop(code, None)
            self._changed.discard(code)


def _table(room: int, ids: Array | None = None) -> _Table:
    """Return a table with ``room`` for ids, or some more, that holds these."""
    size = 1 << max(room - 1, 0).bit_length()
    rows, index = np.empty((size, 3), np.int64), np.full(2 * size, -1, np.int32)
    count = 0 if ids is None else len(ids)
    if ids is not None:
        rows[:count] = ids
        fill(rows, scattered(ids), index)
    return rows, index, count


def _saved(data: bytes) -> Array:
    """Return the ids, with their times, of a state."""
    if len(data) % 8:
        return np.frombuffer(data[len(_WITH_TIMES) :], np.int64).reshape(-1, 3)
    pairs = np.frombuffer(data, np.int64).reshape(-1, 2)
    return np.column_stack((pairs, np.full(len(pairs), _UNKNOWN)))
