"""A recording through replayer, intake, pipeline, runner and store, to a CSV of its candles."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.engine.machine import COINBASE

from fulltape.bus.memory import MemoryBus
from fulltape.capture.replayer import Replayer, ReplaySource
from fulltape.clock import SECOND_NS, ManualClock
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.runner import RecordedClock, Runner, RunnerConfig
from fulltape.operators.candle_plan import CandleConfig
from fulltape.stores.duckdb import DuckDbStore
from fulltape.venues.registry import venues_of_url

QUERY = 'SELECT * FROM candles ORDER BY instrument, "interval", start'


class Replayed(NamedTuple):
    """The candles as CSV, the pipeline at its end, and how many commits it took."""

    candles: bytes
    pipeline: Pipeline
    commits: int


class RandomIntake(Intake):
    """An intake that gives out what has arrived in parts of random length."""

    def __init__(self, random: Random) -> None:
        super().__init__(100_000)
        self._random = random

    @property
    def is_full(self) -> bool:
        """Be full at random: the replayer then waits until everything has been taken."""
        return self._random.random() < 0.02


async def replay(recording: Path, db: Path, *, speed: float | None = None, intake: Intake | None = None) -> Replayed:
    """Replay into a new database.

    At a speed, waiting moves a clock of the test's own: no time passes.
    """
    clock = ManualClock()

    async def sleep(delay: float) -> None:
        clock.set(clock.now_ns() + int(delay * SECOND_NS) + 1)
        await asyncio.sleep(0)

    intake = intake or Intake(100_000)
    with DuckDbStore.open(db, simulated=False) as store:
        pipeline = Pipeline(store.restore().instruments, lambda name: COINBASE, CandleConfig())
        config = RunnerConfig(flush_s=0.0, idle_s=0.01)
        runner = Runner(pipeline, intake, store, MemoryBus(), RecordedClock(), config)
        await runner.restore()
        running = asyncio.create_task(runner.run())
        source = ReplaySource([recording], _venues_of, speed=speed)
        await Replayer(source, intake, lambda path, line: None, clock=clock, sleep=sleep).run()
        intake.close()
        await running
        reader = store.reader()
        reader.export(QUERY, db.with_suffix(".csv"))
        reader.close()
        commits = store.restore().commit
    return Replayed(db.with_suffix(".csv").read_bytes(), pipeline, commits)


def _venues_of(url: str) -> list[str]:
    return [one.spec.name for one in venues_of_url(url)]


if __name__ == "__main__":
    sys.stdout.buffer.write(asyncio.run(replay(Path(sys.argv[1]), Path(sys.argv[2]))).candles)
