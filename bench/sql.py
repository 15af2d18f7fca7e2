"""What commits take while SQL of strangers runs beside them: 20 a second of 1,000 trades, alone and then shared."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Final

import numpy as np
from bench.report import Result, print_table
from bench.store import NOON, instruments, spread, stored_candles, trades

from fulltape.errors import ConfigError
from fulltape.records import CANDLES, TRADES, Commit
from fulltape.stores.base import SqlLimits
from fulltape.stores.duckdb import DuckDbStore

QUERIES: Final = {
    "useful ones": (
        "SELECT instrument, count(*), sum(price * size) FROM trades GROUP BY instrument",
        "SELECT instrument, max(high), min(low) FROM candles GROUP BY instrument",
        "SELECT time_bucket(INTERVAL 1 SECOND, event_time) AS t, median(price) FROM trades GROUP BY t ORDER BY t",
    ),
    "hostile ones": (
        "SELECT count(*) FROM range(90000000000000)",
        "SELECT * FROM candles AS a, candles AS b ORDER BY a.high * b.low",
        "SELECT count(*) FROM (SELECT DISTINCT a.high, b.low FROM candles AS a, candles AS b)",
        "SELECT median(r) FROM range(90000000000000) AS t(r)",
        "SELECT max(s) FROM (SELECT sum(a.high) OVER (ORDER BY a.low * j) AS s FROM candles AS a, range(20) AS b(j))",
    ),
    "ones whose plan has no end": (
        "SELECT " + "nullif(" * 40 + "price" + ", 1)" * 40 + " FROM trades",
        "SELECT price AS a0" + "".join(f", a{n} + a{n} AS a{n + 1}" for n in range(60)) + " FROM trades",
        "SELECT getenv('HOME')",
    ),
}
_EVERY_S: Final = 0.05
_LIMITS: Final = SqlLimits(timeout_s=2.0)


def paced_commits(store: DuckDbStore, first: int, seconds: float) -> list[float]:
    """Commit 20 times a second and return how long each commit took (s)."""
    random = np.random.default_rng(first)
    took: list[float] = []
    begun = time.perf_counter()
    while (now := time.perf_counter()) - begun < seconds:
        number = first + len(took)
        commit = Commit(number, NOON + number, {TRADES.name: trades(number * 1_000, 1_000, random)})
        started = time.perf_counter()
        store.commit(commit)
        took.append(time.perf_counter() - started)
        time.sleep(max(0.0, now + _EVERY_S - time.perf_counter()))
    return took


def ask(store: DuckDbStore, queries: Sequence[str], done: threading.Event, ends: list[bool]) -> None:
    """Run queries in turn until ``done``; note of each whether it gave rows or was stopped."""
    for query in cycle(queries):
        if done.is_set():
            return
        try:
            store.sandbox().run(query, _LIMITS, done)
            ends.append(True)
        except ConfigError:
            ends.append(False)


def run(seconds: float = 10.0) -> Sequence[Result]:
    """Measure in a database of its own, removed afterwards."""
    random = np.random.default_rng(3)
    with (
        tempfile.TemporaryDirectory() as folder,
        DuckDbStore.open(Path(folder) / "sql.duckdb", simulated=False) as store,
    ):
        store.commit(Commit(1, NOON, {CANDLES.name: stored_candles(1_000_000, random)}, {}, instruments()))
        paced_commits(store, 2, 1.0)
        alone = paced_commits(store, store.restore().commit + 1, seconds)
        results = [Result("commits alone", sorted(alone)[len(alone) // 2] * 1e3, "ms", spread(alone))]
        for name, queries in QUERIES.items():
            done, ends = threading.Event(), list[bool]()
            asking = threading.Thread(target=ask, args=(store, queries, done, ends))
            asking.start()
            took = paced_commits(store, store.restore().commit + 1, seconds)
            done.set()
            asking.join()
            note = f"{spread(took)}; {sum(ends)} queries answered, {len(ends) - sum(ends)} stopped"
            results.append(Result(f"beside SQL queries, {name}", sorted(took)[len(took) // 2] * 1e3, "ms", note))
    return results


if __name__ == "__main__":
    print_table("commits beside SQL", run())
