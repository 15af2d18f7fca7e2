"""Tapes of trades for the statistics: random ones, as items of the conformance suite or as a frame of pandas."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import numpy as np
import pandas as pd
from tests.conformance.operators import Item, Tape
from tests.operators.tape import NOON, SECOND, T, trades

from fulltape.records import TRADES, AggressorSide, Array, Batch, Origin

_GAPS = (0, 1, SECOND // 3, SECOND, 40 * SECOND, 3_700 * SECOND)
_DELAYS = (0, 0, 0, 0, SECOND // 2, 5 * SECOND, 90 * SECOND)


def random_trades(random: Random, count: int) -> list[T]:
    """Return trades of three instruments in order of arrival, some late, some refilled."""
    now, rows = NOON, []
    for trade_id in range(count):
        now += random.choice(_GAPS)
        delay = random.choice(_DELAYS)
        rows.append(
            T(
                now - delay - 50,
                trade_id,
                100.0 + random.random(),
                random.choice([1e-8, 0.25, 3.0, 1e6]),
                random.choice([0, 0, 1, 2]),
                random.choice(list(AggressorSide)),
                now,
                random.choice([Origin.LIVE, Origin.LIVE, Origin.SNAPSHOT, Origin.REFILL]),
            )
        )
    return rows


def items(rows: Iterable[T]) -> Tape:
    """Return trades as items, one each."""
    return [Item(row.time if row.ingest is None else row.ingest, trades([row])) for row in rows]


def simulated_trades(count: int, seed: int = 5) -> Batch:
    """Return trades in order of time: a random walk of 4 instruments, 20 trades a second."""
    random = np.random.default_rng(seed)
    time = NOON + np.sort(random.integers(0, count * SECOND // 20, count))
    columns: dict[str, Array] = {
        "instrument": random.integers(0, 4, count).astype(np.int32),
        "trade_id": np.arange(count),
        "trade_id_high": np.zeros(count, np.int64),
        "price": np.round(30_000.0 * np.exp(np.cumsum(random.normal(0, 2e-6, count))), 2),
        "size": np.round(random.lognormal(-3, 2, count) + 1e-8, 8),
        "aggressor_side": random.integers(0, 3, count).astype(np.uint8),
        "event_time": time,
        "ingest_time": time + 50_000_000,
        "origin": np.zeros(count, np.uint8),
    }
    return Batch(TRADES, columns)


def frame(batch: Batch, code: int) -> pd.DataFrame:
    """Return one instrument's trades."""
    names = ("trade_id", "price", "size", "aggressor_side", "event_time")
    mine = batch.take(batch["instrument"] == code)
    return pd.DataFrame({name: mine[name] for name in names})
