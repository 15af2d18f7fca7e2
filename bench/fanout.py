"""Frame received to WebSocket client has it: parser, engine, DuckDB commit, bus, hub and real sockets.

The clients live in a process of their own and read the same clock, so a latency is the time between the two ends.
`python -m bench.fanout --rate 10000 --clients 100 --seconds 10`; `--stalled 10` adds clients that never read.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import uvicorn
import uvloop
from bench.frames import SYMBOLS, MatchFrames
from bench.report import Result, print_table
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from websockets.asyncio.client import connect

from fulltape.api.app import create_app
from fulltape.api.backend import Backend
from fulltape.api.config import ApiConfig
from fulltape.api.server import server_config
from fulltape.bus.base import Bus, Overflow
from fulltape.bus.memory import MemoryBus
from fulltape.engine.config import EngineConfig
from fulltape.engine.intake import Intake
from fulltape.engine.interpreter import tuned
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.pipeline.statistics import StatisticConfig
from fulltape.engine.runner import LiveClock, Runner, RunnerConfig
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import Array, Instrument, InstrumentTable
from fulltape.records.frames import Connection
from fulltape.records.status import Status
from fulltape.stores.base import Reader
from fulltape.stores.duckdb import DuckDbStore
from fulltape.venues.registry import venue

_CONNECTION = Connection("COINBASE-1", "COINBASE", replay=True)
_TICK_S = 0.01
_SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class ShiftedClock:
    """The machine's clock, moved to where the frames' event times begin."""

    shift_ns: int

    def now_ns(self) -> int:
        """Return the time in the frames' day."""
        return time.time_ns() - self.shift_ns


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured: trades a second, clients, seconds, stalled clients beside them, time of a flush."""

    rate: int
    clients: int
    seconds: float
    stalled: int = 0
    flush_ms: float = EngineConfig().flush_ms


@dataclass(frozen=True, slots=True)
class BenchBackend:
    """The process as the calls that are measured see it: the other parts of a `Backend` are not there."""

    bus: Bus
    store: DuckDbStore
    runner: Runner
    table: InstrumentTable
    clock: ShiftedClock

    def reader(self) -> Reader:
        """Return a reader for the calling thread."""
        return self.store.reader()

    def instruments(self) -> tuple[Instrument, ...]:
        """Return the instruments seen so far."""
        return tuple(self.table)

    def status(self) -> Status:
        """Return the engine's counters."""
        engine = self.runner.status(self.clock.now_ns())
        return Status(version="bench", simulated=True, started=0, feeds=(), engine=engine)


class _Times(msgspec.Struct):
    ingest_time: str


class _Message(msgspec.Struct):
    commit: int = 0
    trades: list[_Times] = []


_decode = msgspec.json.Decoder(_Message).decode


@dataclass(frozen=True, slots=True)
class Received:
    """What the clients saw: latencies (ns) of trades, and of messages their commit's number and time of arrival."""

    latencies: Array
    commits: Array
    arrivals: Array


class Follower(WSListener):  # type: ignore[misc]
    """One client: notes which commit came when, once it has been told to begin."""

    def __init__(self, subscription: str, clock: ShiftedClock) -> None:
        super().__init__()
        self.got: list[tuple[int, _Message]] = []
        self.is_measuring = False
        self.begun = asyncio.Event()
        self._subscription = subscription
        self._clock = clock

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, self._subscription.encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        received = self._clock.now_ns()
        self.begun.set()
        if self.is_measuring and frame.msg_type is WSMsgType.TEXT:
            message = _decode(frame.get_payload_as_memoryview())
            if message.trades:
                self.got.append((received, message))


async def follow(port: int, load: Load, clock: ShiftedClock) -> list[tuple[int, _Message]]:
    """Be all clients: return when which commit came, from a second after everybody is connected."""
    connected = [
        await ws_connect(
            partial(Follower, _subscription(f"{SYMBOLS[n % len(SYMBOLS)]}.COINBASE"), clock), _address(port)
        )
        for n in range(load.clients)
    ]
    followers = cast("list[Follower]", [follower for _, follower in connected])
    await asyncio.gather(*(follower.begun.wait() for follower in followers))
    await asyncio.sleep(_SETTLE_S)
    for is_measuring, seconds in ((True, load.seconds), (False, 0)):
        for follower in followers:
            follower.is_measuring = is_measuring
        await asyncio.sleep(seconds)
    for transport, _ in connected:
        transport.disconnect()
    return [entry for follower in followers for entry in follower.got]


async def stall(port: int, until: asyncio.Event) -> None:
    """Be a client that wants everything and reads nothing."""
    async with connect(_address(port), proxy=None, max_size=None, max_queue=1, close_timeout=0.1) as socket:
        await socket.send(_subscription("*"))
        await until.wait()


def _address(port: int) -> str:
    return f"ws://127.0.0.1:{port}/api/v1/stream"


def _subscription(instrument: str) -> str:
    kinds = ["trades", "candles", "last"]
    request = {"op": "subscribe", "kinds": kinds, "intervals": ["1m"], "instruments": [instrument]}
    return msgspec.json.encode(request).decode()


def clients(port: int, load: Load, clock: ShiftedClock) -> Received:
    """Run all clients, in a process of their own."""

    async def all_of_them() -> list[tuple[int, _Message]]:
        over = asyncio.Event()
        stalled = [asyncio.create_task(stall(port, over)) for _ in range(load.stalled)]
        got = await follow(port, load, clock)
        over.set()
        await asyncio.gather(*stalled, return_exceptions=True)
        return got

    gc.disable()  # what is kept for the figures would be walked through again and again, and show as latency
    got = uvloop.run(all_of_them())
    latencies = [
        received - np.array([trade.ingest_time[:-1] for trade in message.trades], "M8[ns]").view(np.int64)
        for received, message in got
    ]
    commits, arrivals = np.array([(message.commit, received) for received, message in got]).T
    return Received(np.concatenate(latencies), commits, arrivals)


async def feed(intake: Intake, frames: MatchFrames, rate: int, clock: ShiftedClock) -> None:
    """Hand over frames at ``rate`` a second until cancelled, each stamped with the time it was handed over."""
    started, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - started) * rate) - sent
        if due > 0:
            for payload in frames.next(due)[0]:
                intake.frame(_CONNECTION, payload, clock.now_ns())
            sent += due
        await asyncio.sleep(_TICK_S)


async def measure(path: Path, load: Load) -> list[Result]:
    """Run the server and its clients and return the percentiles of their latency."""
    frames = MatchFrames(trades_per_s=load.rate)
    payloads, times = frames.next(1_000)
    clock = ShiftedClock(time.time_ns() - times[-1])
    with DuckDbStore.open(path, simulated=True) as store:
        table, bus, intake = store.restore().instruments, MemoryBus(), Intake(40_000)
        pipeline = Pipeline(table, venue, CandleConfig(), StatisticConfig())
        runner = Runner(pipeline, intake, store, bus, LiveClock(clock), RunnerConfig(flush_s=load.flush_ms / 1e3))
        backend = BenchBackend(bus, store, runner, table, clock)
        await runner.restore()
        for payload, ingest in zip(payloads, times, strict=True):  # the kernels compile before the clock matters
            intake.frame(_CONNECTION, payload, ingest)
        running = asyncio.create_task(runner.run())
        config = ApiConfig(max_clients=load.clients + load.stalled)
        app = create_app(cast("Backend", backend), static_dir=None, config=config)
        server = uvicorn.Server(server_config(app, host="127.0.0.1", port=0, config=config))
        serving = asyncio.create_task(server.serve())
        published: dict[int, int] = {}
        watching = asyncio.create_task(watch(bus, published, clock))
        while not (server.started and published):  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(_TICK_S)
        feeding = asyncio.create_task(feed(intake, frames, load.rate, clock))
        port = server.servers[0].sockets[0].getsockname()[1]
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            used_s = -time.process_time()
            received = await asyncio.get_running_loop().run_in_executor(pool, clients, port, load, clock)
            used_s += time.process_time()
        feeding.cancel()
        server.should_exit = True
        await serving
        intake.close()
        await running
        watching.cancel()
    return [
        *report(received, published, load),
        Result("CPU time of the server", used_s, "s", f"{len(received.commits):,} messages with trades measured"),
    ]


async def watch(bus: Bus, published: dict[int, int], clock: ShiftedClock) -> None:
    """Note when each commit was published."""
    async for commit in bus.subscribe(capacity=10_000, overflow=Overflow.BLOCK):
        published[commit.number] = clock.now_ns()


def report(received: Received, published: dict[int, int], load: Load) -> list[Result]:
    """Return the percentiles in ms: from the frame, and from the commit on, which is the API's part."""
    numbers = np.unique(received.commits)
    fan_out = received.arrivals - np.array([published[number] for number in received.commits.tolist()])
    note = (
        f"{load.rate:,} trades/s, {load.clients} clients, {load.stalled} stalled, "
        f"{len(numbers) / load.seconds:.0f} commits/s, {len(received.latencies):,} trades received"
    )
    return [
        Result(f"{name}, {label}", float(np.percentile(values, percent)) / 1e6, "ms", note if percent == 50 else "")
        for name, values in (("frame -> client", received.latencies), ("commit -> client", fan_out))
        for label, percent in (("p50", 50), ("p99", 99), ("worst", 100))
    ]


def run(load: Load | None = None) -> Sequence[Result]:
    """Measure in a database of its own, removed afterwards."""
    with tuned(), tempfile.TemporaryDirectory() as directory:
        return uvloop.run(measure(Path(directory) / "bench.duckdb", load or Load(10_000, 100, 10.0)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--stalled", type=int, default=0)
    parser.add_argument("--flush-ms", type=float, default=EngineConfig().flush_ms)
    chosen = parser.parse_args()
    print_table("fan-out", run(Load(chosen.rate, chosen.clients, chosen.seconds, chosen.stalled, chosen.flush_ms)))
