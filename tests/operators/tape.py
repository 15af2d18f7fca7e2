"""Builders of trades and of the table that candles make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.conformance.operators import Table

from fulltape.operators.base import Step
from fulltape.operators.candles import Candles
from fulltape.records import CANDLES, COVERAGE, TRADES, AggressorSide, Batch, CoverageState, Origin
from fulltape.records.columns import NULL_INT
from fulltape.records.interval import window_start

SECOND = 10**9
MINUTE = 60 * SECOND
NOON = 1_618_660_800 * SECOND
"""2021-04-17 12:00 UTC, a Saturday."""


class T(NamedTuple):
    """One trade; ``time`` and ``ingest`` (default: the same) in ns."""

    time: int
    trade_id: int
    price: float = 100.0
    size: float = 1.0
    code: int = 0
    side: int = AggressorSide.BUY
    ingest: int | None = None
    origin: int = Origin.LIVE
    high: int = 0


def trades(rows: Iterable[T]) -> Batch:
    """Return the batch of ``rows``."""
    rows = list(rows)
    return TRADES.from_columns(
        {
            "instrument": [t.code for t in rows],
            "trade_id": [t.trade_id for t in rows],
            "trade_id_high": [t.high for t in rows],
            "price": [t.price for t in rows],
            "size": [t.size for t in rows],
            "aggressor_side": [t.side for t in rows],
            "event_time": [t.time for t in rows],
            "ingest_time": [t.time if t.ingest is None else t.ingest for t in rows],
            "origin": [t.origin for t in rows],
        }
    )


def coverage(start: int, end: int | None, state: CoverageState, *, code: int = 0, first: str = "") -> Batch:
    """Return one row of the ledger's trades channel."""
    return COVERAGE.from_columns(
        {
            "instrument": [code],
            "channel": ["trades"],
            "start": [start],
            "end": [NULL_INT if end is None else end],
            "state": [state],
            "evidence": ["told by a test"],
            "missing": [0],
            "first_missing": [first],
            "last_missing": [first],
        }
    )


class CandleRow(NamedTuple):
    """What a test looks at in a candle."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    vwap: float
    trades: int
    taker_buy_volume: float
    revision: int
    is_final: bool
    reason: int


class CandleTable(Table):
    """Candles by (instrument, interval in s, start), the last row of each counting."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[tuple[int, int, int], CandleRow] = {}
        self.past: list[Batch] = [TRADES.empty()]

    def take(self, batches: Iterable[Batch]) -> None:
        batches = list(batches)
        super().take(batches)
        for batch in batches:
            keys = zip(*(batch[name].tolist() for name in CANDLES.key), strict=True)
            rows = zip(*(batch[name].tolist() for name in CandleRow._fields), strict=True)
            self.rows.update(zip(keys, map(CandleRow._make, rows), strict=True))


def apply(candles: Candles, step: Step, table: CandleTable) -> None:
    """Run one step and all that the pipeline does after it with what is stored."""
    table.past.append(step.batches.get(TRADES.name, TRADES.empty()))
    derived = candles.apply(step)
    for stretch in candles.take_doubtful():
        for interval_s in candles.quiet_intervals_s:
            empties = [
                key
                for key, row in table.rows.items()
                if key[:2] == (stretch.instrument, interval_s)
                and window_start(stretch.start, interval_s) <= key[2] < stretch.end
                and row.trades == 0
            ]
            table.take([candles.judge(_empty_candles(empties, table))])
    table.take(derived)
    for window in candles.take_stale():
        key = (window.instrument, window.interval_s, window.start)
        known = table.rows.get(key)
        mine = [batch.take(batch["instrument"] == window.instrument) for batch in table.past]
        table.take([candles.derive([window], Batch.concat(mine), {window: known.revision if known else 0})])


def _empty_candles(keys: Sequence[tuple[int, int, int]], table: CandleTable) -> Batch:
    rows = [table.rows[key] for key in keys]
    columns = {name: [getattr(row, name) for row in rows] for name in CandleRow._fields}
    named = {name: [key[i] for key in keys] for i, name in enumerate(CANDLES.key)}
    return CANDLES.from_columns({**columns, **named, "source": [0] * len(keys)})


def run(candles: Candles, steps: Iterable[Step]) -> CandleTable:
    """Run ``steps`` and return the table."""
    table = CandleTable()
    for step in steps:
        apply(candles, step, table)
    return table
