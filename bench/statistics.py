"""Trades to statistics, 20 instruments: each operator alone, and all of them, beside the candles of the same trades."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.candles import INTERVALS, bounded, trades
from bench.report import Result, median_rate, print_table

from fulltape.engine.counters import Counters
from fulltape.engine.statistics import StatisticConfig, Statistics
from fulltape.operators.activity_bars import ActivityBars
from fulltape.operators.base import Operator, Step
from fulltape.operators.candles import CandleConfig, Candles
from fulltape.operators.changes import Changes
from fulltape.operators.ticks import Ticks
from fulltape.operators.windows import Windows
from fulltape.records import TRADES


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


def run(repeats: int = 5) -> Sequence[Result]:
    """Measure; each operator's share, then what they cost together against the candles."""
    parts: dict[str, Callable[[], Sequence[Operator]]] = {
        "candles": lambda: [Candles(CandleConfig(INTERVALS))],
        "ticks": lambda: [Ticks()],
        "ticks and changes": lambda: [Ticks(), Changes()],
        "windows": lambda: [Windows()],
        "activity bars": lambda: [ActivityBars()],
        "all statistics": lambda: Statistics(StatisticConfig(), Counters(), str).operators,
    }
    results = []
    for batch, count in ((250, 500_000), (5_000, 2_000_000)):
        against = f"statistics: candles, batches of {batch:,}"
        for name, make in parts.items():
            rate = median_rate(run_operators(make, batch, count), repeats)
            title = f"statistics: {name}, batches of {batch:,}"
            results.append(Result(title, rate, "trades/s", "with snapshots", "" if title == against else against))
    return results


if __name__ == "__main__":
    print_table("statistics", run())
