"""Early trades: those dated further ahead than any clock is. Windows count them when their time has come.

A trade dated half an hour ahead would make every window until then final: the true trades after it would all be late,
candles would be revised with each commit, and alerts on windows would be blind. So windows wait for its time; the trade
itself is stored at once. Where a venue's clock, or ours, is wrong, all trades are ahead by about as much: there only
what is further ahead than that is early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from fulltape.engine.pipeline.counters import Counters
from fulltape.operators.newest import AHEAD_NS
from fulltape.records import TRADES, Array, Batch

_MOST_IN_A_ROW: Final = 20
"""More early trades than this with none between that is not: then the venue's clock was set, or ours."""
_MOST_WAITING: Final = 1_000
"""So many of one instrument wait; the next is counted at once."""


class _Saved(msgspec.Struct, array_like=True):
    """What is kept of one instrument: trades as the bytes of their columns."""

    lead: int = 0
    in_a_row: int = 0
    columns: dict[str, bytes] = {}


@dataclass(slots=True)
class _Ahead:
    """One instrument that has early trades, or trades at a venue whose clock is ``lead`` (ns) ahead of ours."""

    waiting: Batch
    lead: int = 0
    in_a_row: int = 0

    @property
    def is_over(self) -> bool:
        return not (self.lead or self.in_a_row or len(self.waiting))


class Early:
    """Keeps early trades from windows until their time. ``has_traded`` tells whether an instrument ever did."""

    name = "early"

    def __init__(self, has_traded: Callable[[int], bool], counters: Counters) -> None:
        self._has_traded = has_traded
        self._counters = counters
        self._instruments: dict[int, _Ahead] = {}
        self._unsaved: set[int] = set()

    def settle(self, trades: Batch, clock: int) -> Batch:
        """Return the trades of a step for windows: without the early ones, with those whose time has come.

        ``trades`` are in order of arrival, and so is what is returned: a trade that waited is as one that arrived when
        its time had come.
        """
        lead = trades["event_time"] - trades["ingest_time"]
        if not self._instruments and not (lead > AHEAD_NS).any():
            return trades
        is_early = np.zeros(len(trades), np.bool_)
        released: list[tuple[int, Batch]] = []
        for row in np.flatnonzero(self._doubtful(trades["instrument"], lead)).tolist():
            code = int(trades["instrument"][row])
            have = self._instruments.get(code) or self._begin(code, int(lead[row]), trades["instrument"][:row])
            before = have.lead
            is_early[row] = _is_early(have, int(lead[row]))
            if is_early[row]:
                have.waiting = Batch.concat([have.waiting, trades.take(slice(row, row + 1))])
            elif have.lead > before:  # the clock was set: none of them was early
                released += _each(have.waiting, [row] * len(have.waiting))
                have.waiting = TRADES.empty()
            self._unsaved.add(code)
        self._counters.early_trades += int(is_early.sum())
        released += self._due(np.maximum.accumulate(trades["ingest_time"]), clock)
        return _merged(trades, is_early, released)

    def _due(self, arrived: Array, clock: int) -> list[tuple[int, Batch]]:
        """Take the trades whose time has come, each with its place among those that ``arrived``."""
        due: list[tuple[int, Batch]] = []
        for code, have in list(self._instruments.items()):
            if (is_due := have.waiting["event_time"] <= clock).any():
                mine = have.waiting.take(is_due)
                times = mine["event_time"]
                due += _each(Batch(TRADES, {**mine.columns, "ingest_time": times}), np.searchsorted(arrived, times))
                have.waiting = have.waiting.take(~is_due)
                self._unsaved.add(code)
            if have.is_over:
                del self._instruments[code]
        return sorted(due, key=lambda placed: (placed[0], int(placed[1]["event_time"][0])))

    def _doubtful(self, codes: Array, lead: Array) -> Array:
        """Return which trades are to be looked at one by one: few, unless something is wrong."""
        leads = np.zeros(int(codes.max(initial=0)) + 1, np.int64)
        watched = np.zeros(len(leads), np.bool_)
        for code, have in self._instruments.items():
            if code < len(leads):
                leads[code], watched[code] = have.lead, bool(have.in_a_row)
        is_back = (lead <= AHEAD_NS) & (leads[codes] > 0)
        watched[codes[(lead > leads[codes] + AHEAD_NS) | is_back]] = True
        return watched[codes]

    def _begin(self, code: int, lead: int, before: Array) -> _Ahead:
        """Begin with an instrument's trade: if it is the first of all, the clocks are that far apart."""
        is_first = lead > AHEAD_NS and not self._has_traded(code) and not (before == code).any()
        have = self._instruments[code] = _Ahead(TRADES.empty(), lead if is_first else 0)
        return have

    def snapshot(self) -> dict[int, bytes]:
        """Return what is kept of each instrument of which that changed since the last call."""
        unsaved, self._unsaved = self._unsaved, set()
        return {code: msgspec.msgpack.encode(_saved(self._instruments.get(code))) for code in unsaved}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended."""
        for code, data in states.items():
            saved = msgspec.msgpack.decode(data, type=_Saved)
            have = _Ahead(_waiting(code, saved.columns), saved.lead, saved.in_a_row)
            if not have.is_over:
                self._instruments[code] = have


def _is_early(have: _Ahead, lead: int) -> bool:
    """Judge the next trade of an instrument by how far ahead it is."""
    if lead <= AHEAD_NS:
        have.lead = have.in_a_row = 0
    elif lead <= have.lead + AHEAD_NS:
        have.in_a_row = 0
    elif have.in_a_row < _MOST_IN_A_ROW and len(have.waiting) < _MOST_WAITING:
        have.in_a_row += 1
        return True
    else:
        have.lead, have.in_a_row = lead, 0
    return False


def _saved(have: _Ahead | None) -> _Saved:
    if have is None:
        return _Saved()
    columns = {name: column.tobytes() for name, column in have.waiting.columns.items() if name != "instrument"}
    return _Saved(have.lead, have.in_a_row, columns if len(have.waiting) else {})


def _waiting(code: int, columns: Mapping[str, bytes]) -> Batch:
    if not columns:
        return TRADES.empty()
    dtypes = {name: column.dtype for column in TRADES.columns for name in column.names}
    arrays = {name: np.frombuffer(columns[name], dtypes[name]) for name in dtypes if name != "instrument"}
    codes = np.full(len(arrays["event_time"]), code, dtypes["instrument"])
    return Batch(TRADES, {"instrument": codes, **arrays})


def _each(trades: Batch, places: Iterable[int]) -> list[tuple[int, Batch]]:
    return [(int(place), trades.take(slice(row, row + 1))) for row, place in enumerate(places)]


def _merged(trades: Batch, is_left_out: Array, released: Sequence[tuple[int, Batch]]) -> Batch:
    """Return the trades that are not left out, with those released each before the row that is its place."""
    keys = [np.flatnonzero(~is_left_out) * 2 + 1, np.array([place for place, _ in released], np.int64) * 2]
    order = np.argsort(np.concatenate(keys), kind="stable")
    return Batch.concat([trades.take(~is_left_out), *(trade for _, trade in released)]).take(order)
