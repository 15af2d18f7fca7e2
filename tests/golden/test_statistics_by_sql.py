"""Statistics of replayed recordings, once more by SQL from the stored trades: every row, every figure."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fulltape.capture.reader import are_simulated
from fulltape.cli import wiring
from fulltape.cli.replay import replay_into
from fulltape.engine.config import Config, StatisticsConfig
from fulltape.stores.base import Reader

# How many rows each makes.
RECORDINGS = {
    "coinbase-2021-04-17": {"stats": 43, "windows": 11, "activity_bars": 2},
    "binance-btcusdt-2024-08-08": {"stats": 164, "windows": 5, "activity_bars": 157},
    "okx-2022-05-13": {"stats": 13, "windows": 1, "activity_bars": 3},
    "bitstamp-2022-01-05": {"stats": 2, "windows": 1, "activity_bars": 0},
}
BAR_TICKS = 20

# A tick is a trade that is not older than any before it; in these recordings the stored order is that of arrival.
TICKS = """
    SELECT *, sum(price * size) OVER session / sum(size) OVER session AS vwap,
           CASE aggressor_side WHEN 'BUY' THEN size WHEN 'SELL' THEN -size ELSE 0 END AS signed,
           row_number() OVER (PARTITION BY instrument ORDER BY event_time, trade_id::HUGEINT) AS number
    FROM trades
    WINDOW session AS (PARTITION BY instrument, event_time::DATE ORDER BY event_time, trade_id::HUGEINT
                       ROWS UNBOUNDED PRECEDING)
"""
# What is 300 ticks back weighs (9/11)^300 = 7e-27 in the mean of 10; lists of all ticks would need memory by their
# square.
STATS = f"""
    WITH ticks AS ({TICKS}),
    figures AS (
        SELECT instrument, trade_id,
               list_reduce(list(price) OVER lately, lambda mean, price: mean + (price - mean) * 2 / 11) AS ewma_10t,
               avg(price) OVER five AS rolling_mean_5t,
               stddev_samp(price) OVER five AS rolling_std_5t,
               var_samp(price) OVER five AS rolling_variance_5t,
               100 * (price / lag(price) OVER past - 1) AS change_1t,
               max(price) OVER past AS all_time_high,
               100 * (price / max(price) OVER past - 1) AS all_time_high_distance,
               sum(signed) OVER past AS cvd,
               vwap AS vwap_session
        FROM ticks
        WINDOW past AS (PARTITION BY instrument ORDER BY number ROWS UNBOUNDED PRECEDING),
               five AS (PARTITION BY instrument ORDER BY number ROWS 4 PRECEDING),
               lately AS (PARTITION BY instrument ORDER BY number ROWS 300 PRECEDING)
    ),
    seconds AS (
        SELECT instrument, arg_max(price, number) AS back, max(event_time)::TIMESTAMP AS back_time
        FROM ticks GROUP BY instrument, time_bucket(INTERVAL 1 SECOND, event_time::TIMESTAMP)
    ),
    asked AS (SELECT *, event_time::TIMESTAMP - INTERVAL 1 MINUTE AS since FROM stats)
    SELECT asked.*, figures.*,
           CASE WHEN back_time >= since - INTERVAL 1 MINUTE THEN 100 * (price / back - 1) END AS change_1m
    FROM asked JOIN figures USING (instrument, trade_id)
    ASOF LEFT JOIN seconds ON asked.instrument = seconds.instrument AND since >= back_time
"""
WINDOWS = """
    WITH minutes AS (
        SELECT instrument, time_bucket(INTERVAL 1 MINUTE, event_time::TIMESTAMP, to_seconds(shift)) AS start, shift, *
        FROM trades, (SELECT unnest([0, 30]) AS shift)
    ),
    plain AS (
        SELECT instrument, start, shift, count(*) AS trades, avg(price) AS mean_60s_30s,
               stddev_samp(price) AS volatility_1m, sum(size) AS volume,
               coalesce(sum(size) FILTER (aggressor_side = 'BUY'), 0) AS taker_buy_volume,
               coalesce(sum(size) FILTER (aggressor_side = 'SELL'), 0) AS taker_sell_volume,
               count(*) FILTER (aggressor_side = 'BUY') AS taker_buys,
               count(*) FILTER (aggressor_side = 'SELL') AS taker_sells,
               sum(price * size) / sum(size) AS vwap
        FROM minutes GROUP BY ALL
    )
    SELECT windows.*, plain.* FROM windows JOIN plain
    ON windows.instrument = plain.instrument AND windows.start::TIMESTAMP = plain.start
"""
BARS = f"""
    WITH plain AS (
        SELECT instrument, 1 + (number - 1) // {BAR_TICKS} AS number, count(*) AS trades, max(price) AS high,
               min(price) AS low, arg_min(price, number) AS open, arg_max(price, number) AS close,
               sum(size) AS volume, sum(price * size) AS quote_volume
        FROM ({TICKS}) GROUP BY ALL HAVING count(*) = {BAR_TICKS}
    )
    SELECT activity_bars.*, plain.* FROM activity_bars JOIN plain USING (instrument, number)
"""


def rows(reader: Reader, query: str) -> list[dict[str, Any]]:
    """Return rows as dicts; of two columns with one name the second is called ``name_1``."""
    table = reader.sql(query)
    seen: dict[str, int] = {}
    names = []
    for name in table.column_names:
        names.append(f"{name}_{seen[name]}" if name in seen else name)
        seen[name] = seen.get(name, 0) + 1
    found: list[dict[str, Any]] = table.rename_columns(names).to_pylist()
    return found


async def replayed(recording: Path, db: Path) -> Any:
    config = msgspec.structs.replace(Config(), statistics=StatisticsConfig(bar_ticks=BAR_TICKS))
    source = wiring.replay_source([recording], venue_name=None, speed=None)
    store = wiring.open_store(db, simulated=are_simulated([recording]))
    await replay_into(config, source, store, asyncio.Event())
    return store


def same(row: dict[str, Any], name: str) -> bool:
    """Compare a figure with the same one by SQL: 1e-9 relative, and of the price where it is a difference."""
    found, wanted = row[name], row[f"{name}_1"]
    if found is None or wanted is None:
        return found is wanted
    scale = abs(row.get("price") or row.get("vwap") or 1.0)
    return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-12 * scale)


@pytest.mark.golden
@pytest.mark.parametrize("name", RECORDINGS)
async def test_sql_over_the_stored_trades_gives_every_figure(recordings: Path, tmp_path: Path, name: str) -> None:
    with await replayed(recordings / "captures" / f"{name}.jsonl.gz", tmp_path / "x.duckdb") as store:
        reader = store.reader()
        sizes = reader.table_sizes()
        for kind, query in {"stats": STATS, "windows": WINDOWS, "activity_bars": BARS}.items():
            found = rows(reader, query)
            assert len(found) == sizes[kind] == RECORDINGS[name][kind]
            compared = [column.removesuffix("_1") for column in (found[0] if found else ()) if column.endswith("_1")]
            for row in found:
                skipped = {"instrument", "trade_id", "start", "number"}
                if kind == "windows" and row["shift"]:
                    skipped |= set(compared) - {"trades", "mean_60s_30s"}
                assert len(compared) >= 9
                assert [column for column in compared if column not in skipped and not same(row, column)] == []
        (rolling,) = rows(reader, "SELECT sum(transaction_count_1h) AS n, sum(total_trade_volume_1h) AS v FROM rolling")
        (plain,) = rows(
            reader,
            "SELECT count(*) AS n, sum(price * size) AS v FROM trades, (SELECT max(event_time) AS newest FROM trades) "
            "WHERE event_time >= newest - INTERVAL 50 MINUTES",
        )
        assert rolling["n"] == plain["n"]
        assert rolling["v"] == pytest.approx(plain["v"], rel=1e-9)
