"""Statistics against pandas: trades that a simulation made and trades that venues made, every figure of every row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.operators.market import split
from tests.operators.reference import changes, tick_figures, windows
from tests.operators.tape import SECOND, trades
from tests.operators.test_recordings import Phemex
from tests.operators.tick_tapes import frame, simulated_trades

from fulltape.operators.base import Operator, Step
from fulltape.operators.changes import Changes
from fulltape.operators.ticks import Ticks
from fulltape.operators.windows import Windows
from fulltape.records import STATS, WINDOWS, Array, Batch


def run(batch: Batch, size: int) -> dict[str, Batch]:
    """Run the operators as the pipeline does, ``size`` trades a step, and return all rows by kind."""
    made: dict[str, list[Batch]] = {STATS.name: [], WINDOWS.name: []}
    operators: tuple[Operator, ...] = (Ticks(), Changes(), Windows())
    for step in _steps(batch, size):
        batches = dict(step.batches)
        for operator in operators:
            batches.update({b.schema.name: b for b in operator.apply(Step(batches, step.clock))})
        for kind, rows in made.items():
            rows.extend([batches[kind]] if kind in batches else [])
    return {kind: Batch.concat(rows) for kind, rows in made.items()}


def _steps(batch: Batch, size: int) -> Iterator[Step]:
    for first in range(0, len(batch), size):
        part = batch.take(slice(first, first + size))
        yield Step({"trades": part}, int(part["ingest_time"][-1]))
    yield Step({}, int(batch["ingest_time"][-1]) + 3_600 * SECOND)


def close(found: Array, expected: Array, scale: float, what: str) -> None:
    """Compare at 1e-9 relative; what is near 0 because it cancels, at 1e-9 of what it is the difference of."""
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * scale, equal_nan=True, err_msg=what)


def check(batch: Batch, size: int) -> None:
    """Compare every row that the trades make with the reference."""
    made = run(batch, size)
    for code in np.unique(batch["instrument"]).tolist():
        rows = frame(batch, code)
        stats = made["stats"].take(made["stats"]["instrument"] == code)
        second = rows["event_time"] // SECOND
        assert stats["trade_id"].tolist() == rows["trade_id"][second != second.shift(-1)].tolist()
        place = rows.reset_index().set_index("trade_id")["index"][stats["trade_id"]].to_numpy()
        # A spread is a difference of prices: it is known to some units in their last place.
        spread = 1e-6 * float(rows["price"].max())
        scales = {"cvd": float(rows["size"].sum()), "change_1t": 100.0, "all_time_high_distance": 100.0}
        for name, expected in tick_figures(rows).items():
            close(stats[name], np.asarray(expected, float)[place], scales.get(name, spread), name)
        for name, expected in changes(rows, stats).items():
            close(stats[name], expected, 100.0, name)
        mine = made["windows"].take(made["windows"]["instrument"] == code)
        mine = mine.take(np.argsort(mine["start"]))
        wanted = windows(rows)
        assert mine["start"].tolist() == wanted.index.tolist()
        half = wanted["volume"].isna().to_numpy()
        for name in wanted:
            found = np.where(half, np.nan, mine[name]) if name.startswith("taker_") else mine[name]
            close(found, wanted[name].to_numpy(float), float(rows["size"].max()) if name == "delta" else spread, name)


def test_simulated_trades() -> None:
    check(simulated_trades(40_000), 997)


@pytest.mark.slow
def test_a_million_simulated_trades() -> None:
    check(simulated_trades(1_000_000), 5_000)


@pytest.mark.golden
def test_recorded_trades(recordings: Path) -> None:
    tape = Phemex(recordings).tape()
    (step,) = split(tape, [], tape[-1].time)
    check(step.batches["trades"], 97)
    assert len(trades(tape)) == len(step.batches["trades"]) > 10_000
