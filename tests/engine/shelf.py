"""A venue whose history is a list in memory, paged in any of the ways there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from fulltape.clock import Clock, format_rfc3339, parse_rfc3339
from fulltape.engine.history.pager import Source
from fulltape.records import BARS, TRADES, Batch
from fulltape.records.columns import NULL_INT
from fulltape.venues.base import HistorySpec, Paging, RestRequest, TradesPage
from fulltape.venues.coinbase import Coinbase

SECOND = 10**9
MINUTE = 60 * SECOND
INTERVALS_S = (60, 300, 3_600, 86_400)


@dataclass(frozen=True)
class Kept:
    """A trade on the shelf: the buyer took one unit."""

    id: int
    time: int
    price: float = 100.0


def trades_of(kept: Sequence[Kept], instrument: int = 0) -> Batch:
    """Return trades as a page has them."""
    count = len(kept)
    columns: dict[str, list[Any]] = {
        "instrument": [instrument] * count,
        "trade_id": [one.id for one in kept],
        "trade_id_high": [0] * count,
        "price": [one.price for one in kept],
        "size": [1.0] * count,
        "aggressor_side": [1] * count,
        "event_time": [one.time for one in kept],
        "ingest_time": [one.time for one in kept],
        "origin": [2] * count,
    }
    return TRADES.from_columns(columns)


def bars_of(
    starts: Sequence[int], interval_s: int = 60, *, price: float = 50.0, volume: float = 2.0, instrument: int = 0
) -> Batch:
    """Return bars that start at those times (ns)."""
    count = len(starts)
    columns: dict[str, list[Any]] = {
        "instrument": [instrument] * count,
        "interval": [interval_s] * count,
        "start": list(starts),
        **{name: [price] * count for name in ("open", "high", "low", "close", "vwap")},
        "volume": [volume] * count,
        "trades": [NULL_INT] * count,
        "ingest_time": list(starts),
    }
    return BARS.from_columns(columns)


@dataclass
class Shelf(Coinbase):
    """What the venue has, how it is asked for, and what it was asked. ``failing`` is called before each answer."""

    kept: Sequence[Kept] = ()
    paging: Paging = Paging.BACK_BY_ID
    rows: int = 3
    bars_at_once: int = 5
    bars_kept: int | None = None
    quiet: frozenset[int] = frozenset()
    asked: list[str] = field(default_factory=list)
    failing: Callable[[int], None] = lambda number: None

    def __post_init__(self) -> None:
        history = HistorySpec(
            bars=INTERVALS_S, bars_at_once=self.bars_at_once, bars_kept=self.bars_kept, trades=self.paging
        )
        self.spec = msgspec.structs.replace(Coinbase.spec, history=history)

    def source(self, clock: Clock, instrument: int = 0) -> Source:
        """Return what asks this venue."""
        return Source(self, "BTC-USD", instrument, self.fetch, clock)

    async def fetch(self, request: RestRequest) -> bytes:
        """Answer with the question."""
        self.asked.append(request.path)
        self.failing(len(self.asked))
        return request.path.encode()

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Describe a page at a cursor."""
        return RestRequest(cursor or "newest")

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Return the page that was asked for."""
        cursor, kept = body.decode(), sorted(self.kept, key=lambda one: one.id)
        match self.paging:
            case Paging.BACK_BY_ID | Paging.NEWEST:
                older = [one for one in kept if cursor == "newest" or one.id < int(cursor)]
                page = older[-self.rows :]
                has_more = self.paging is Paging.BACK_BY_ID and len(older) > len(page)
                return TradesPage(trades_of(page, code), str(page[0].id) if has_more else None)
            case Paging.BACK_BY_TIME:
                older = [one for one in kept if cursor == "newest" or one.time <= parse_rfc3339(cursor)]
                page = older[-self.rows :]
                has_more = len(older) > len(page)
                return TradesPage(trades_of(page, code), format_rfc3339(page[0].time) if has_more else None)
            case Paging.FORWARD:
                newer = [one for one in kept if one.time > int(cursor)]
                page = newer[: self.rows]
                has_more = len(newer) > len(page)
                return TradesPage(trades_of(page, code), None, str(page[-1].time - 1) if has_more else None)

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Describe bars."""
        assert 0 < end_ns - start_ns <= self.bars_at_once * interval_s * SECOND
        return RestRequest(f"bars {start_ns} {end_ns}")

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Return the bars that were asked for and, as some venues do, one more on each side."""
        start, end = map(int, body.split()[1:])
        length = interval_s * SECOND
        starts = [time for time in range(start - length, end + length, length) if time not in self.quiet]
        return bars_of(starts, interval_s, instrument=code)


def times(batch: Batch, name: str = "event_time") -> list[int]:
    """Return a column of times."""
    found: list[int] = np.sort(batch[name]).tolist()
    return found
