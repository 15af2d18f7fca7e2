"""Raw frames to committed rows: the real parser, sequencer, operators, DuckDB file and bus; no socket.

`python -m bench.end_to_end --seconds 600` runs the ten minutes that show whether memory stays flat.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from bench.frames import MatchFrames
from bench.report import Result, print_table

from fulltape.bus.memory import MemoryBus
from fulltape.cli import wiring
from fulltape.engine.config import Config
from fulltape.engine.intake import Intake
from fulltape.engine.interpreter import tuned
from fulltape.engine.runner import RecordedClock, Runner, RunnerConfig
from fulltape.records.frames import Connection
from fulltape.stores.duckdb import DuckDbStore

_CONNECTION = Connection("COINBASE-1", "COINBASE", replay=True)
_CONFIG = Config()  # as `fulltape up` runs without a configuration
_ENGINE = _CONFIG.engine


async def feed(intake: Intake, frames: MatchFrames, seconds: float, watch: list[tuple[float, int]]) -> int:
    """Push frames as fast as the engine takes them; return how many."""
    started = time.perf_counter()
    memory = psutil.Process().memory_info
    count = 0
    while (spent := time.perf_counter() - started) < seconds:
        payloads, times = await asyncio.to_thread(frames.next, 5_000)
        for payload, ingest in zip(payloads, times, strict=True):
            intake.frame(_CONNECTION, payload, ingest)
        count += len(payloads)
        if not watch or spent - watch[-1][0] >= seconds / 12:
            watch.append((spent, memory().rss))
        if intake.is_full:
            await intake.drained()
    intake.close()
    return count


async def measure(path: Path, seconds: float) -> list[Result]:
    """Run for ``seconds`` and return the rate and the memory at the end against that after a quarter."""
    frames = MatchFrames()
    with DuckDbStore.open(path, simulated=False) as store:
        pipeline = wiring.pipeline(_CONFIG, store)
        intake = Intake(_ENGINE.max_queued_frames)
        config = RunnerConfig(_ENGINE.flush_ms / 1e3, _ENGINE.flush_records)
        runner = Runner(pipeline, intake, store, MemoryBus(), RecordedClock(), config)
        await runner.restore()
        await feed_warm(intake, frames)
        watch: list[tuple[float, int]] = []
        running = asyncio.create_task(runner.run())
        started, used = time.perf_counter(), cpu_s()
        count = await feed(intake, frames, seconds, watch)
        await running
        wall, used = time.perf_counter() - started, cpu_s() - used
        commits = store.restore().commit
        reader = store.reader()
        stored = reader.table_sizes()["trades"]
        reader.close()
    if stored != count + 1_000:
        raise AssertionError(f"{count + 1_000} frames went in, {stored} trades are stored")
    early = next(rss for spent, rss in watch if spent >= seconds / 4)
    size = (await asyncio.to_thread(path.stat)).st_size
    used_cores = f"{used / wall:.2f} cores"
    return [
        Result(
            "frames -> committed, all operators",
            count / wall,
            "trades/s",
            f"{wall:.0f} s, {commits} commits, {used_cores}",
        ),
        Result("memory at the end", watch[-1][1] / 2**20, "MiB", f"after a quarter {early / 2**20:,.0f} MiB"),
        Result("database", size / 2**20, "MiB", f"{size / stored:.0f} bytes a trade"),
    ]


async def feed_warm(intake: Intake, frames: MatchFrames) -> None:
    """Let the kernels compile before the clock starts."""
    for payload, ingest in zip(*frames.next(1_000), strict=True):
        intake.frame(_CONNECTION, payload, ingest)


def cpu_s() -> float:
    """Return the processor seconds this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(seconds: float = 10.0) -> Sequence[Result]:
    """Measure in a database of its own, removed afterwards."""
    with tuned(), tempfile.TemporaryDirectory() as directory:
        return asyncio.run(measure(Path(directory) / "bench.duckdb", seconds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    print_table("end to end", run(parser.parse_args().seconds))
