"""Trades to candles of 4 intervals, 20 instruments, in batches; beside the peers that are installed."""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from bench.report import Result, median_rate, print_table

from fulltape.clock import SECOND_NS
from fulltape.operators import cascade, cells
from fulltape.operators.base import Step
from fulltape.operators.candle_plan import CandleConfig, kernel_columns, new_state, plan_of
from fulltape.operators.candles import Candles
from fulltape.records import TRADES, Batch

INTERVALS: Final = ("1s", "1m", "5m", "1h")
_START_NS: Final = 1_770_001_200 * SECOND_NS
_BOUND_S: Final = 2.0


@functools.cache
def trades(count: int) -> Batch:
    """Return seeded trades of 20 instruments, 700 a second of event time."""
    random = np.random.default_rng(11)
    weights = 1 / np.arange(1, 21)
    event_time = _START_NS + np.sort(random.integers(0, count * SECOND_NS // 700, count))
    return Batch(
        TRADES,
        {
            "instrument": random.choice(20, count, p=weights / weights.sum()).astype(np.int32),
            "trade_id": np.arange(count),
            "trade_id_high": np.zeros(count, np.int64),
            "price": np.round(100 * np.exp(np.cumsum(random.normal(0, 2e-5, count))), 2),
            "size": np.round(random.lognormal(-3, 2, count) + 1e-8, 8),
            "aggressor_side": random.integers(1, 3, count).astype(np.uint8),
            "event_time": event_time,
            "ingest_time": event_time + 50_000_000,
            "origin": np.zeros(count, np.uint8),
        },
    )


def bounded(step: Callable[[int, int], None], batch: int, count: int) -> int:
    """Call ``step(first, stop)`` over ``count`` trades until a bound of time; return how many were taken."""
    started, first = time.perf_counter(), 0
    while first < count and time.perf_counter() - started < _BOUND_S:
        step(first, min(first + batch, count))
        first += batch
    return min(first, count)


def kernel(batch: int, count: int) -> Callable[[], int]:
    """Return the work of the kernel alone: columns in, final candles out."""
    data = trades(count)
    parts = [kernel_columns(data.take(slice(first, first + batch))) for first in range(0, count, batch)]

    plan, _ = plan_of(CandleConfig(INTERVALS))
    floats, ints = np.empty((4_096, cells.OUT_FLOATS)), np.empty((4_096, cells.OUT_INTS), np.int64)
    rows = cascade.Out(floats, ints, np.empty((batch, 2), np.int64))

    def work() -> int:
        state = new_state(plan, 20)
        for part in parts:
            cascade.fold_trades(plan, *state, *part, 0, *rows, 0)
        return count

    return work


def operator(batch: int, count: int) -> Callable[[], int]:
    """Return the work of the operator: final and open candles as batches, as every commit has them."""
    data = trades(count)

    def work() -> int:
        candles = Candles(CandleConfig(INTERVALS))

        def step(first: int, stop: int) -> None:
            part = data.take(slice(first, stop))
            candles.apply(Step({TRADES.name: part}, int(part["ingest_time"][-1])))

        return bounded(step, batch, count)

    return work


def polars(batch: int, count: int) -> Callable[[], int]:
    """Return the same candles by `group_by_dynamic`, without state between batches."""
    import polars as pl  # noqa: PLC0415 - a peer that may not be installed

    data = trades(count)
    frame = pl.DataFrame({name: data[name] for name in ("instrument", "event_time", "price", "size")})
    frame = frame.with_columns(pl.col("event_time").cast(pl.Datetime("ns")))
    price, size = pl.col("price"), pl.col("size")
    ohlcv: list[Any] = [
        price.first().alias("open"), price.max().alias("high"), price.min().alias("low"), price.last().alias("close"),
        size.sum().alias("volume"), (price * size).sum().alias("quote_volume"), pl.len().alias("trades"),
    ]  # fmt: skip

    def step(first: int, stop: int) -> None:
        part = frame[first:stop]
        for every in INTERVALS:
            part.group_by_dynamic("event_time", every=every, group_by="instrument").agg(*ohlcv)

    return lambda: bounded(step, batch, count)


def pandas(batch: int, count: int) -> Callable[[], int]:
    """Return the same candles by `groupby` with a `Grouper`, without state between batches."""
    import pandas as pd  # noqa: PLC0415 - a peer that may not be installed

    data = trades(count)
    frame = pd.DataFrame({name: data[name] for name in ("instrument", "price", "size")})
    frame["event_time"] = pd.to_datetime(data["event_time"])
    frame["quote"] = frame["price"] * frame["size"]

    def step(first: int, stop: int) -> None:
        part = frame.iloc[first:stop]
        for every in ("1s", "1min", "5min", "1h"):
            part.groupby(["instrument", pd.Grouper(key="event_time", freq=every)]).agg(
                open=("price", "first"), high=("price", "max"), low=("price", "min"), close=("price", "last"),
                volume=("size", "sum"), quote_volume=("quote", "sum"), trades=("price", "count"),
            )  # fmt: skip

    return lambda: bounded(step, batch, count)


def nautilus(count: int) -> Callable[[], int]:
    """Return the same candles by nautilus_trader's time bar aggregators, one for each instrument and interval."""
    from nautilus_trader.common.component import TestClock  # noqa: PLC0415 - a peer that may not be installed
    from nautilus_trader.data.aggregation import TimeBarAggregator  # noqa: PLC0415
    from nautilus_trader.model.data import BarType, TradeTick  # noqa: PLC0415
    from nautilus_trader.model.enums import AggressorSide  # noqa: PLC0415
    from nautilus_trader.model.identifiers import TradeId  # noqa: PLC0415
    from nautilus_trader.model.instruments import CurrencyPair  # noqa: PLC0415
    from nautilus_trader.model.objects import Price, Quantity  # noqa: PLC0415
    from nautilus_trader.test_kit.providers import TestInstrumentProvider  # noqa: PLC0415

    data = trades(count)
    codes, times = data["instrument"].tolist(), data["event_time"].tolist()
    fields = CurrencyPair.to_dict(TestInstrumentProvider.btcusdt_binance())
    fields |= dict.fromkeys(("min_quantity", "max_quantity", "min_price", "max_price", "min_notional", "max_notional"))
    step = {"precision": 8, "increment": "0.00000001"}
    fields |= {f"{figure}_{name}": value for figure in ("price", "size") for name, value in step.items()}
    names = [f"X{code}USDT" for code in range(20)]
    pairs = [CurrencyPair.from_dict({**fields, "id": f"{name}.BINANCE", "raw_symbol": name}) for name in names]
    ticks = [
        TradeTick(pairs[code].id, Price(price, 8), Quantity(size, 8), AggressorSide.BUYER, TradeId(str(i)), time, time)
        for i, (code, price, size, time) in enumerate(
            zip(codes, data["price"].tolist(), data["size"].tolist(), times, strict=True)
        )
    ]

    def work() -> int:
        clock, bars = TestClock(), []  # type: ignore[var-annotated]
        clock.set_time(times[0] // SECOND_NS * SECOND_NS)
        steps = ("1-SECOND", "1-MINUTE", "5-MINUTE", "1-HOUR")
        aggregators = [
            [
                TimeBarAggregator(
                    pair, BarType.from_str(f"{pair.id}-{step}-LAST-INTERNAL"), bars.append, clock,
                    build_with_no_updates=False,
                )
                for step in steps
            ]
            for pair in pairs
        ]  # fmt: skip
        due = 0
        for tick, code, time_ns in zip(ticks, codes, times, strict=True):
            if time_ns >= due:  # its clock is moved once a second: moving it for every trade is slower still
                for event in clock.advance_time(time_ns):
                    event.handle()
                due = (time_ns // SECOND_NS + 1) * SECOND_NS
            for aggregator in aggregators[code]:
                aggregator.handle_trade_tick(tick)
        if not bars:
            raise RuntimeError("nautilus_trader made no bars")
        return len(ticks)

    return work


def run(repeats: int = 5) -> Sequence[Result]:
    """Measure; peers that are not installed are left out."""
    count = 2_000_000
    peers = []
    for name, peer in (("polars", polars), ("pandas", pandas)):
        if importlib.util.find_spec(name):
            rate = median_rate(peer(1_000, 200_000), 3)
            peers.append(Result(f"candles: {name}, batches of 1,000", rate, "trades/s", "keeps no state"))
    if importlib.util.find_spec("nautilus_trader"):
        rate = median_rate(nautilus(100_000), 3)
        peers.append(Result("candles: nautilus_trader, one by one", rate, "trades/s", "ready ticks, bars in memory"))
    against = peers[-1].name if peers else ""
    ours = []
    for batch in (100, 1_000, 10_000):
        rate = median_rate(kernel(batch, count), repeats)
        ours.append(Result(f"candles: kernel, batches of {batch:,}", rate, "trades/s", "final candles", against))
    for batch in (100, 1_000, 10_000):
        rate = median_rate(operator(batch, count), repeats)
        note = "final and open ones as batches"
        ours.append(Result(f"candles: operator, batches of {batch:,}", rate, "trades/s", note, against))
    return [*ours, *peers]


if __name__ == "__main__":
    print_table("candles", run())
