"""Trades to statistics, 20 instruments: each operator alone, and all of them, beside the candles of the same trades."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from bench.candles import INTERVALS, bounded, trades
from bench.report import Result, median_rate, print_table

from fulltape.cli import wiring
from fulltape.clock import SECOND_NS
from fulltape.engine.config import Config
from fulltape.engine.pipeline.counters import Counters
from fulltape.engine.pipeline.statistics import StatisticConfig, Statistics
from fulltape.operators.activity_bars import ActivityBars
from fulltape.operators.alerts import Alerts
from fulltape.operators.base import Operator, Step
from fulltape.operators.candle_plan import CandleConfig
from fulltape.operators.candles import Candles
from fulltape.operators.changes import Changes
from fulltape.operators.quote_stats import QuoteStats
from fulltape.operators.ticks import Ticks
from fulltape.operators.windows import Windows
from fulltape.records import QUOTES, TRADES, Batch, Origin


def run_operators(make: Callable[[], Sequence[Operator]], batch: int, count: int) -> Callable[[], int]:
    """Return the work of operators one after the other, snapshots included, as every step has them."""
    data = trades(count)

    def work() -> int:
        operators = make()

        def step(first: int, stop: int) -> None:
            part = data.take(slice(first, stop))
            batches = {TRADES.name: part}
            for operator in operators:
                now = Step(batches, int(part["ingest_time"][-1]))
                batches.update({derived.schema.name: derived for derived in operator.apply(now)})
                operator.snapshot()

        return bounded(step, batch, count)

    return work


def run_quotes(count: int) -> Callable[[], int]:
    """Return the work of quotes at 10,000 a second, of 10 products at 8 venues each."""
    random = np.random.default_rng(1)
    bid, time = 100.0 + random.normal(0, 0.1, count), np.arange(count) * (SECOND_NS // 10_000)
    figures = {"bid": bid, "ask": bid + 0.1, "bid_size": np.ones(count), "ask_size": np.ones(count)}
    codes, source = random.integers(0, 80, count).astype(np.int32), np.zeros(count, np.uint8)
    data = Batch(QUOTES, {"instrument": codes, **figures, "event_time": time, "ingest_time": time, "source": source})

    def work() -> int:
        quotes = QuoteStats(lambda code: str(code % 10))
        for first in range(0, count, 500):
            part = data.take(slice(first, first + 500))
            quotes.apply(Step({QUOTES.name: part}, int(part["ingest_time"][-1])))
            quotes.snapshot()
        return count

    return work


def _statistics() -> Sequence[Operator]:
    return Statistics(StatisticConfig(), Counters(), str).operators


def _alerts() -> Operator:
    return Alerts(wiring.alerts(Config(), Origin.LIVE), "X-USD.{}".format)


def run(repeats: int = 5) -> Sequence[Result]:
    """Measure; each operator's share, then what they cost together against the candles."""
    parts: dict[str, Callable[[], Sequence[Operator]]] = {
        "candles": lambda: [Candles(CandleConfig(INTERVALS))],
        "ticks": lambda: [Ticks()],
        "ticks and changes": lambda: [Ticks(), Changes()],
        "windows": lambda: [Windows()],
        "activity bars": lambda: [ActivityBars()],
        "all statistics": _statistics,
        "all statistics and the default alerts": lambda: [*_statistics(), _alerts()],
    }
    results = []
    for batch, count in ((250, 500_000), (5_000, 2_000_000)):
        against = f"statistics: candles, batches of {batch:,}"
        for name, make in parts.items():
            rate = median_rate(run_operators(make, batch, count), repeats)
            title = f"statistics: {name}, batches of {batch:,}"
            results.append(Result(title, rate, "trades/s", "with snapshots", "" if title == against else against))
    title, count = "statistics: quotes of 80 instruments, steps of 50 ms", 400_000
    results.append(Result(title, median_rate(run_quotes(count), repeats), "quotes/s", "with snapshots", ""))
    return results


if __name__ == "__main__":
    print_table("statistics", run())
