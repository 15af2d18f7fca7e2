"""Candles and mean prices of any interval, for tools that ask in their own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from fulltape.api.paging import PageQuery
from fulltape.api.rolled import read_candles
from fulltape.api.services import Services
from fulltape.clock import SECOND_NS
from fulltape.records import Instrument, InstrumentTable
from fulltape.records.interval import window_start
from fulltape.stores.base import Reader

MOST: Final = 20_000
"""How many windows one answer holds."""

FIELDS: Final = ("open", "high", "low", "close", "volume", "trades")
"""The figures of a candle that other tools know."""

_WEEKS_NS: Final = 1_000 * 604_800 * SECOND_NS
_MEAN: Final = """
    SELECT (epoch_ns(event_time) - $1) // $2 * $2 + $1 AS start, avg(price) AS mean
    FROM (SELECT instrument, event_time, price FROM trades
          UNION ALL SELECT instrument, event_time, rate FROM coins)
    WHERE instrument = $3 AND event_time >= make_timestamp_ns($4) AND event_time < make_timestamp_ns($5)
    GROUP BY ALL ORDER BY start DESC LIMIT $6
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Windows of ``interval_s`` seconds of one instrument that begin before ``end`` (ns), the newest ``limit`` of them.

    The first is the one that holds ``start`` (ns).
    """

    instrument: str
    code: int
    interval_s: int
    start: int
    end: int
    limit: int = MOST

    @classmethod
    def of(cls, services: Services, row: Instrument, interval_s: int, start: int, end: int, limit: int = MOST) -> Self:
        """Return the span of an instrument that is known; nothing was traded before 1970."""
        return cls(row.id, services.catalogue.code_of(row.id), interval_s, max(0, start), end, limit)

    @property
    def first(self) -> int:
        """The start (ns) of the first window."""
        return int(window_start(self.start, self.interval_s))

    @property
    def windows(self) -> int:
        """How many windows there are, 1 at least and ``limit`` at most."""
        return max(1, min(self.limit, -(-(self.end - self.first) // (self.interval_s * SECOND_NS))))


def rolled(reader: Reader, span: Span) -> list[Row]:
    """Return the candles with prices, oldest first: ``start`` (ns) and `FIELDS`; a figure that nobody tells is None.

    The newest one changes until its window is over.
    """
    page = PageQuery(span.first, span.end, span.windows, None, newest_first=True)
    batch, _ = read_candles(reader, span.code, span.interval_s, page)
    batch = batch.take(np.flatnonzero(~np.isnan(batch["open"]))[::-1])
    columns = {name: batch.values(batch.schema.column(name), InstrumentTable()) for name in ("start", *FIELDS)}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def means(reader: Reader, span: Span) -> list[Row]:
    """Return ``start`` (ns) and ``mean``, of prices of trades or rates of coins, of windows with some, oldest first."""
    length = span.interval_s * SECOND_NS
    offset = int(window_start(_WEEKS_NS, span.interval_s)) % length
    values = (offset, length, span.instrument, span.first, span.end, span.windows)
    rows: list[Row] = reader.sql(_MEAN, parameters=values).to_pylist()
    return rows[::-1]
