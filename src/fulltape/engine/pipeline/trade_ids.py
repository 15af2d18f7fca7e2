"""Trades by what their venues' ids promise: each once, and no hole unnoticed where ids follow each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fulltape.engine.pipeline.recent_ids import RecentIds
from fulltape.engine.pipeline.sequencer import Sequencer
from fulltape.engine.pipeline.unstored import SLACK_NS
from fulltape.errors import ConfigError
from fulltape.records import Array, Batch, InstrumentTable
from fulltape.records.events import Event
from fulltape.venues.base import IdRule, Venue


class Judged(NamedTuple):
    """What became of trades: the positions of those that were there already, what was noticed, how many ids reset."""

    twice: Array
    events: list[Event]
    resets: int


class TradeIds:
    """Gives each trade to what judges its ids: those that follow each other to the sequencer, others to memory."""

    def __init__(
        self, table: InstrumentTable, venue: Callable[[str], Venue], sequencer: Sequencer, recent_ids: RecentIds
    ) -> None:
        self._table = table
        self._venue = venue
        self._sequencer = sequencer
        self._recent_ids = recent_ids
        self._is_contiguous: list[bool] = []

    def judge(self, trades: Batch, frames: Array, heartbeats: Batch, beat_frames: Array, clock: int) -> Judged:
        """Judge trades as they come from venues; the arguments are those of `Sequencer.apply`."""
        follows = self.follow(trades["instrument"])
        mine, places = (trades, frames) if follows.all() else (trades.take(follows), frames[follows])
        result = self._sequencer.apply(mine, places, heartbeats, beat_frames, clock)
        # Both kinds of ids stay in the one order of arrival: the ingest time of each trade is a clock for all.
        twice = np.flatnonzero(follows)[result.dropped]
        if len(mine) < len(trades):
            known = self._recent_ids.duplicates(trades.take(~follows))
            twice = np.concatenate((twice, np.flatnonzero(~follows)[known]))
        return Judged(twice, result.events, result.resets)

    def refill(self, trades: Batch, time: int, *, is_brought: bool = False) -> list[Event]:
        """Take trades that came a second way at ``time`` (ns) and are not stored yet; return what they close.

        The stream may bring the newest of them again. Those that people have brought never move the sequencer on.
        """
        follows = self.follow(trades["instrument"])
        others = trades.take(~follows)
        self._recent_ids.duplicates(others.take(others["event_time"] > time - SLACK_NS))
        mine = trades.take(follows & self._sequencer.has_passed(trades)) if is_brought else trades.take(follows)
        return self._sequencer.refill(mine, time).events

    def follow(self, instruments: Array) -> Array:
        """Return which rows have ids that follow each other."""
        for code in range(len(self._is_contiguous), len(self._table)):
            self._is_contiguous.append(self._rule(self._table[code].venue) is IdRule.CONTIGUOUS)
        return np.array(self._is_contiguous, np.bool_)[instruments]

    def _rule(self, venue: str) -> IdRule:
        try:
            return self._venue(venue).spec.trade_ids
        except ConfigError:
            return IdRule.OPAQUE  # a venue that nobody follows here: its records were brought
