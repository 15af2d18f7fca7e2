"""The embedded store: big commits, small commits onto many stored candles, reads while both go on, export."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from bench.report import Result, print_table

from fulltape.records import CANDLES, TRADES, Array, Batch, Commit, Instrument, Schema
from fulltape.records.columns import Physical
from fulltape.stores.base import Selection
from fulltape.stores.duckdb import DuckDbStore

INSTRUMENTS = 50
INTERVALS = np.array([1, 60, 120, 300, 900, 3_600, 14_400, 86_400])
NOON = 1_618_660_800
SECOND_NS = 10**9
PER_SECOND = 20
OPEN_OF = 6


def instruments() -> dict[int, Instrument]:
    return {
        code: Instrument(f"C{code}-USD.BENCH", "BENCH", f"C{code}-USD", f"C{code}", "USD")
        for code in range(INSTRUMENTS)
    }


def columns(schema: Schema, rows: int, random: np.random.Generator, **known: Array) -> Batch:
    """Return a batch with prices that compress as badly as real ones; what is not given is zero or random."""
    out: dict[str, Array] = {}
    for column in schema.columns:
        for name in column.names:
            if name in known:
                out[name] = known[name].astype(column.dtype)
            elif column.physical is Physical.FLOAT:
                out[name] = random.integers(1, 10**7, rows) / 100.0
            else:
                out[name] = np.zeros(rows, column.dtype)
    return Batch(schema, out)


def trades(first: int, rows: int, random: np.random.Generator) -> Batch:
    ids = np.arange(first, first + rows)
    times = NOON * SECOND_NS + ids * 10_000
    codes = random.integers(0, INSTRUMENTS, rows)
    return columns(TRADES, rows, random, instrument=codes, trade_id=ids, event_time=times, ingest_time=times + 10**7)


def stored_candles(rows: int, random: np.random.Generator) -> Batch:
    """Return final candles of one second that end at noon."""
    at = np.arange(rows)
    seconds = NOON - rows // INSTRUMENTS + at // INSTRUMENTS
    final = np.ones(rows, np.bool_)
    known = {"instrument": at % INSTRUMENTS, "interval": np.ones(rows), "is_final": final, "start": seconds * SECOND_NS}
    return columns(CANDLES, rows, random, **known)


def open_candles(number: int, random: np.random.Generator) -> Batch:
    """Return what a flush changes: every interval of some instruments, and once a second the candles that ended."""
    second = NOON + number // PER_SECOND
    codes = np.repeat(random.choice(INSTRUMENTS, OPEN_OF, replace=False), len(INTERVALS))
    lengths = np.tile(INTERVALS, OPEN_OF)
    final = np.zeros(len(codes), np.bool_)
    if number % PER_SECOND == 0:
        codes = np.concatenate([np.arange(INSTRUMENTS), codes])
        lengths = np.concatenate([np.ones(INSTRUMENTS, np.int64), lengths])
        final = np.concatenate([np.ones(INSTRUMENTS, np.bool_), final])
    starts = np.where(final, second - 1, second // lengths * lengths) * SECOND_NS
    return columns(CANDLES, len(codes), random, instrument=codes, interval=lengths, is_final=final, start=starts)


def big(folder: Path, rows: int, total: int = 2_000_000) -> Result:
    """Commit trades in batches of ``rows``."""
    random = np.random.default_rng(1)
    made = [trades(i * rows, rows, random) for i in range(total // rows)]
    with DuckDbStore.open(folder / f"big{rows}.duckdb", simulated=False) as store:
        store.commit(Commit(1, NOON, {}, {}, instruments()))
        started = time.perf_counter()
        for number, batch in enumerate(made, 2):
            store.commit(Commit(number, NOON, {TRADES.name: batch}))
        rate = total / (time.perf_counter() - started)
    return Result(f"commits of {rows:,} trades", rate, "rows/s", f"{rate / rows:,.0f} commits/s, synced to disk")


def small_commits(first: int, count: int) -> Iterator[Commit]:
    """Yield flushes of a quiet market: 50 trades, the candles they touch, the states of their operators."""
    random = np.random.default_rng(2)
    for number in range(first, first + count):
        batches = {TRADES.name: trades(number * 50, 50, random), CANDLES.name: open_candles(number, random)}
        states = {code: random.bytes(200) for code in range(OPEN_OF)}
        yield Commit(number, NOON + number, batches, {"candles": states})


def small(folder: Path, stored: int = 1_000_000, count: int = 600) -> list[Result]:
    """Commit small flushes onto many stored candles while a reader draws charts, then export the candles."""
    random = np.random.default_rng(3)
    with DuckDbStore.open(folder / "small.duckdb", simulated=False) as store:
        store.commit(Commit(1, NOON, {CANDLES.name: stored_candles(stored, random)}, {}, instruments()))
        alone = timed_commits(store, list(small_commits(2, count)))
        done = threading.Event()
        reads: list[float] = []
        reading = threading.Thread(target=read_charts, args=(store, done, reads))
        reading.start()
        shared = timed_commits(store, list(small_commits(2 + count, count)))
        done.set()
        reading.join()
        exports = [export(store, folder / f"candles{suffix}") for suffix in (".csv", ".parquet", ".arrow")]
    note = f"onto {stored:,} candles: 50 trades, 8 candles of {OPEN_OF} instruments, snapshots"
    return [
        Result("small commits", count / sum(alone), "commits/s", f"{note}; {spread(alone)}"),
        Result("small commits, charts drawn", count / sum(shared), "commits/s", spread(shared)),
        Result("300 newest candles meanwhile", len(reads) / sum(reads), "reads/s", spread(reads)),
        *exports,
    ]


def timed_commits(store: DuckDbStore, commits: Sequence[Commit]) -> list[float]:
    took = []
    for commit in commits:
        started = time.perf_counter()
        store.commit(commit)
        took.append(time.perf_counter() - started)
    return took


def read_charts(store: DuckDbStore, done: threading.Event, took: list[float]) -> None:
    """Read as a dashboard does, 20 charts a second."""
    reader = store.reader()
    while not done.wait(0.05):
        selection = Selection(CANDLES, (len(took) % INSTRUMENTS,), 1, newest_first=True, limit=300)
        started = time.perf_counter()
        reader.read(selection)
        took.append(time.perf_counter() - started)
    reader.close()


def export(store: DuckDbStore, path: Path) -> Result:
    reader = store.reader()
    started = time.perf_counter()
    rows = reader.export("candles", path)
    rate = rows / (time.perf_counter() - started)
    reader.close()
    return Result(f"export to {path.suffix}", rate, "rows/s", f"{path.stat().st_size / 2**20:,.0f} MiB")


def spread(took: Sequence[float]) -> str:
    cuts = statistics.quantiles(took, n=100)
    return f"p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms"


def run() -> list[Result]:
    """Measure in databases of their own, removed afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        big(folder, 50_000, total=100_000)  # what is imported and compiled on first use is paid here
        return [*(big(folder, rows) for rows in (5_000, 20_000)), *small(folder)]


if __name__ == "__main__":
    print_table("store", run())
