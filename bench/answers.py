"""Candles over HTTP: how often a second a core sends 500 of the past, and how long a month of minutes takes cold.

The client is a process of its own, so the figure a core is requests by the CPU time of the server's process.
`python -m bench.answers --seconds 5`
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import uvicorn
import uvloop
from bench.fanout import BenchBackend, ShiftedClock
from bench.report import Result, print_table

from fulltape.api.app import create_app
from fulltape.api.backend import Backend
from fulltape.api.config import ApiConfig
from fulltape.api.server import server_config
from fulltape.bus.memory import MemoryBus
from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.runner import LiveClock, Runner
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import CANDLES, Batch, CandleSource, Commit, Instrument
from fulltape.stores.duckdb import DuckDbStore
from fulltape.venues.registry import venue

_ID = "BTC-USD.COINBASE"
_START_NS = 1_800_000_000 * SECOND_NS
_MINUTES = 30 * 24 * 60
_CONNECTIONS = 4
_COLD = 5


def candles() -> Batch:
    """Return a month of 1-minute candles that wander."""
    close = 50_000.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 1e-4, _MINUTES))).round(8)
    numbers = {column.name: np.full(_MINUTES, 12.345678, column.dtype) for column in CANDLES.columns}
    zeros = ("instrument", "revision", "reason")
    return Batch(
        CANDLES,
        {
            **numbers,
            **dict.fromkeys(("open", "high", "low", "close", "vwap"), close),
            **{name: np.zeros(_MINUTES, CANDLES.column(name).dtype) for name in zeros},
            "interval": np.full(_MINUTES, 60, np.int32),
            "start": _START_NS + np.arange(_MINUTES) * 60 * SECOND_NS,
            "is_final": np.ones(_MINUTES, np.bool_),
            "source": np.full(_MINUTES, CandleSource.TRADES, np.uint8),
        },
    )


def path_of(limit: int, shift: int = 0, form: str = "json") -> str:
    """Return the address of the first candles; ``shift`` (minutes) makes another of it."""
    start, end = (format_rfc3339(_START_NS + n * 60 * SECOND_NS) for n in (shift, shift + limit))
    return (
        f"/api/v1/candles?instrument={_ID}&interval=1m&start={start}&end={end}&limit={min(limit, 10_000)}&format={form}"
    )


async def fetch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> tuple[int, str]:
    """Ask once over a connection that stays open; return the body's length and the cursor of the next page."""
    writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    assert head[0].endswith("200 ok"), head[0]
    fields = dict(line.split(": ", 1) for line in head[1:] if line)
    await reader.readexactly(length := int(fields["content-length"]))
    return length, fields.get("fulltape-next", "")


def load(port: int, seconds: float) -> tuple[int, int, list[float]]:
    """Ask for the same 500 candles for a while, then for months nobody asked for; in a process of its own."""

    async def one(until: float) -> tuple[int, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        count = size = 0
        while time.monotonic() < until:
            size, _ = await fetch(reader, writer, path_of(500))
            count += 1
        writer.close()
        return count, size

    async def months() -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        took = []
        for n in range(_COLD):
            begin = time.perf_counter()
            for page in range(5):
                await fetch(reader, writer, path_of(10_000 - n, page * 8_640, "arrow"))
            took.append(time.perf_counter() - begin)
        writer.close()
        return took

    async def everything() -> tuple[int, int, list[float]]:
        until = time.monotonic() + seconds
        found = await asyncio.gather(*(one(until) for _ in range(_CONNECTIONS)))
        return sum(count for count, _ in found), found[0][1], await months()

    return uvloop.run(everything())


async def measure(path: Path, seconds: float) -> list[Result]:
    """Run the server and its clients."""
    with DuckDbStore.open(path, simulated=True) as store:
        table, bus = store.restore().instruments, MemoryBus()
        table.add(Instrument(_ID, "COINBASE", "BTC-USD", "BTC", "USD"))
        store.commit(Commit(1, _START_NS, {CANDLES.name: candles()}, instruments=table.take_changes()))
        clock = ShiftedClock(0)
        runner = Runner(Pipeline(table, venue, CandleConfig()), Intake(10), store, bus, LiveClock(clock))
        config = ApiConfig()
        app = create_app(
            cast("Backend", BenchBackend(bus, store, runner, table, clock)), static_dir=None, config=config
        )
        server = uvicorn.Server(server_config(app, host="127.0.0.1", port=0, config=config))
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(pool, load, port, 0.1)
            before, begin = cpu_s(), time.perf_counter()
            count, size, _ = await loop.run_in_executor(pool, load, port, seconds)
            used, took = cpu_s() - before, time.perf_counter() - begin
            cold = await loop.run_in_executor(pool, load, port, 0.0)
        server.should_exit = True
        await serving
    note = f"{size:,} bytes each, {_CONNECTIONS} connections, {used / took:.0%} of a core in {took:.1f} s"
    return [
        Result("500 candles as JSON", count / used, "requests/s a core", note),
        Result(
            "a month of 1-minute candles, Arrow, 5 pages",
            min(cold[2]) * 1e3,
            "ms",
            "pages that nobody asked for before",
        ),
    ]


def cpu_s() -> float:
    """Return the CPU time of this process, its threads included."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(seconds: float = 5.0) -> Sequence[Result]:
    """Measure in a database of its own, removed afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        return uvloop.run(measure(Path(directory) / "bench.duckdb", seconds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    print_table("answers", run(parser.parse_args().seconds))
