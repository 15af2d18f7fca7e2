"""One recording, replayed in every way: the same candles byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.engine.replaying import RandomIntake, replay

from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[2]
NAME = "captures/coinbase-2021-04-17.jsonl.gz"

pytestmark = pytest.mark.golden


@pytest.fixture
def expected(recordings: Path) -> Mapping[str, Any]:
    """Return what is known of the recording from elsewhere."""
    found: Mapping[str, Any] = json.loads((recordings / "expected.json").read_text())[NAME]
    return found


@pytest.mark.slow
async def test_speed_and_split_change_no_byte(recordings: Path, tmp_path: Path) -> None:
    fast = await replay(recordings / NAME, tmp_path / "fast.duckdb")
    assert fast.candles.count(b"\n") > 100
    paced = await replay(recordings / NAME, tmp_path / "paced.duckdb", speed=1.0, intake=Intake(100))
    cut = await replay(recordings / NAME, tmp_path / "cut.duckdb", intake=RandomIntake(Random(1)))
    assert paced.candles == cut.candles == fast.candles
    assert min(paced.commits, cut.commits) > 50, "the recording was not cut"


@pytest.mark.slow
async def test_uncompiled_kernels_change_no_byte(recordings: Path, tmp_path: Path) -> None:
    compiled = await replay(recordings / NAME, tmp_path / "compiled.duckdb")
    plain = subprocess.run(  # noqa: ASYNC221 - nothing else happens here
        [sys.executable, "-m", "tests.engine.replaying", str(recordings / NAME), str(tmp_path / "plain.duckdb")],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        check=True,
        timeout=600,
    )
    assert plain.stdout == compiled.candles


async def test_books_end_as_they_did(recordings: Path, tmp_path: Path, expected: Mapping[str, Any]) -> None:
    pipeline = (await replay(recordings / NAME, tmp_path / "x.duckdb")).pipeline
    found = {instrument.venue_symbol: _book(pipeline, code) for code, instrument in enumerate(pipeline.table)}
    figures = ("bid", "bid_size", "ask", "ask_size", "bid_levels", "ask_levels")
    tops = expected["final_top_of_book"]
    assert found == {symbol: [float(top[name]) for name in figures] for symbol, top in tops.items()}


def _book(pipeline: Pipeline, code: int) -> list[float]:
    book = pipeline.quotes.book(code)
    assert book is not None
    assert not book.is_crossed
    return [*book.top, len(book.bids), len(book.asks)]


async def test_what_came_is_counted(recordings: Path, tmp_path: Path, expected: Mapping[str, Any]) -> None:
    pipeline = (await replay(recordings / NAME, tmp_path / "x.duckdb")).pipeline
    counters = pipeline.counters
    assert counters.frames == expected["frames"]
    assert counters.records["trades"] == expected["match_count"] + expected["frames_by_type"]["last_match"]
    assert counters.records["tickers"] == expected["frames_by_type"]["ticker"]
    assert (counters.duplicates, counters.late_trades, counters.rejected) == (0, 0, {})
    assert pipeline.open_holes() == (0, 0)
