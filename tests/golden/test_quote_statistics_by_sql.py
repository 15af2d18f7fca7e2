"""Statistics of the quotes of replayed recordings, once more by SQL from the stored quotes: every row, every figure."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from fulltape.capture.reader import are_simulated
from fulltape.cli import wiring
from fulltape.cli.replay import replay_into
from fulltape.engine.config import Config

# How many rows each makes.
RECORDINGS = {
    "coinbase-2021-04-17": {"quote_stats": 231, "depths": 271},
    "binance-btcusdt-2024-08-08": {"quote_stats": 165, "depths": 166},
    "okx-2022-05-13": {"quote_stats": 33, "depths": 33},
}
FIGURES = ("bid", "ask", "spread", "spread_bp", "mid", "microprice")

# The newest quote of each second of receipt but the last, whose end a recording does not tell.
PLAIN = """
    WITH seconds AS (
        SELECT instrument, epoch_ns(ingest_time) // 1000000000 AS second,
               arg_max(quotes, (event_time, ingest_time)) AS newest
        FROM quotes GROUP BY ALL
    )
    SELECT instrument, newest.ingest_time AS moment, newest.bid, newest.ask, newest.ask - newest.bid AS spread,
           20000 * (newest.ask - newest.bid) / (newest.ask + newest.bid) AS spread_bp,
           (newest.bid + newest.ask) / 2 AS mid,
           (newest.ask * newest.bid_size + newest.bid * newest.ask_size) / (newest.bid_size + newest.ask_size)
               AS microprice
    FROM seconds WHERE second < (SELECT max(second) FROM seconds) ORDER BY instrument, moment
"""
TOLD = f"SELECT instrument, ingest_time AS moment, {', '.join(FIGURES)} FROM quote_stats ORDER BY instrument, moment"


@pytest.mark.golden
@pytest.mark.parametrize("name", RECORDINGS)
async def test_sql_over_the_stored_quotes_gives_every_figure(recordings: Path, tmp_path: Path, name: str) -> None:
    capture = recordings / "captures" / f"{name}.jsonl.gz"
    source = wiring.replay_source([capture], venue_name=None, speed=None)
    with wiring.open_store(tmp_path / "x.duckdb", simulated=are_simulated([capture])) as store:
        await replay_into(Config(), source, store, asyncio.Event())
        reader = store.reader()
        sizes = reader.table_sizes()
        assert {kind: sizes[kind] for kind in RECORDINGS[name]} == RECORDINGS[name]
        told, plain = reader.sql(TOLD), reader.sql(PLAIN)
        for column in ("instrument", "moment"):
            assert told[column].to_pylist() == plain[column].to_pylist()
        for figure in FIGURES:
            assert told[figure].null_count == plain[figure].null_count
            pairs = zip(told[figure].to_pylist(), plain[figure].to_pylist(), strict=True)
            assert [pair for pair in pairs if pair[0] is not None and not math.isclose(*pair, rel_tol=1e-9)] == []
        shown = reader.sql("FROM depths WHERE bid_depth IS NOT NULL")
        assert shown.num_rows > 0.9 * sizes["depths"]
        assert all(-1 <= imbalance <= 1 for imbalance in shown["book_imbalance"].to_pylist())
