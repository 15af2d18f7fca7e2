"""kill -9 at random moments while a simulated venue streams: what was published is stored, once, and candles agree.

The check knows nothing of the engine: it recomputes every candle from the stored trades in SQL.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from tests.e2e.programs import START_S, simulated_venue, start, started
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROUNDS = int(os.environ.get("FULLTAPE_CRASH_ROUNDS", "50"))
CONFIG = """
[server]
port = 0
[store]
path = "crash.duckdb"
simulated = true
[history]
warm_bars = 0
[venues.coinbase]
url = "{ws}"
rest_url = "{rest}"
instruments = ["BTC-USD", "ETH-USD", "DOGE-USD", "UNI-USD"]
"""
LENGTHS_S = {"1s": 1, "1m": 60, "2m": 120, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400}
RECOMPUTED = """
    SELECT instrument, time_bucket(to_seconds({seconds}), event_time) AS start,
        arg_min(price, (event_time, trade_id::BIGINT)) AS open, max(price) AS high, min(price) AS low,
        arg_max(price, (event_time, trade_id::BIGINT)) AS close, sum(size) AS volume, sum(price * size) AS quote_volume,
        count(*) AS trades, coalesce(sum(size) FILTER (aggressor_side = 'BUY'), 0) AS taker_buy_volume
    FROM trades GROUP BY ALL
"""
DIFFERENT = """
    SELECT coalesce(c.instrument, r.instrument) AS instrument, coalesce(c.start, r.start) AS start,
        coalesce(c.is_final, true) AND coalesce(c.trades, 0) < r.trades AS waits, c.*, r.*
    FROM (SELECT * FROM candles WHERE interval = '{interval}' AND trades > 0) AS c
    FULL JOIN ({recomputed}) AS r ON c.instrument = r.instrument AND c.start = r.start
    WHERE (c.open, c.high, c.low, c.close, c.trades) IS DISTINCT FROM (r.open, r.high, r.low, r.close, r.trades)
        OR abs(c.volume - r.volume) > 1e-9 * r.volume
        OR abs(c.quote_volume - r.quote_volume) > 1e-9 * r.quote_volume
        OR abs(c.taker_buy_volume - r.taker_buy_volume) > 1e-9 * r.volume
"""
# Where a page of a refill ends inside of a hole, a final window waits for the next page; the ledger says so meanwhile.
WRONG = """
    SELECT d.* FROM ({different}) AS d ANTI JOIN coverage AS hole
    ON hole.instrument = d.instrument AND hole.channel = 'trades' AND hole.state IN ('GAP', 'DOWN') AND d.waits
    AND d.start <= hole."end" AND d.start + to_seconds({seconds}) >= hole.start
"""


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Path]:
    """A simulated venue that streams during the whole test, and a configuration that follows it."""
    with simulated_venue(tmp_path, "--seed", "11", "--trades-per-s", "400") as venue:
        config = tmp_path / "crash.toml"
        config.write_text(CONFIG.format(ws=venue.ws, rest=venue.rest))
        yield config


async def follow(
    address: str, process: subprocess.Popen[bytes], seen: set[tuple[str, str]], wanted: int, pause_s: float
) -> None:
    """Add every trade that is published to ``seen``; kill the process a pause after so many new ones."""
    enough = len(seen) + wanted

    def kill() -> None:
        asyncio.get_running_loop().call_later(pause_s, process.send_signal, signal.SIGKILL)

    if not wanted:
        kill()
    try:
        async with asyncio.timeout(START_S), connect(address, max_size=None, open_timeout=None) as socket:
            await socket.send(json.dumps({"op": "subscribe", "instruments": ["*"], "kinds": ["trades"]}))
            async for message in socket:
                is_short = len(seen) < enough
                seen |= {(trade["instrument"], trade["trade_id"]) for trade in json.loads(message).get("trades", ())}
                if is_short and len(seen) >= enough:
                    kill()
    except (ConnectionClosed, InvalidMessage, ConnectionError):
        pass  # this is the kill, which may come before the handshake is done


def check(database: Path, seen: set[tuple[str, str]]) -> int:
    """Reopen the database: nothing published is lost, nothing is double, candles are those of the trades."""
    with duckdb.connect(str(database), read_only=True) as connection:
        stored = connection.sql("SELECT instrument, trade_id FROM trades").fetchall()
        assert len(set(stored)) == len(stored), "a trade is stored twice"
        assert seen <= set(stored), f"{len(seen - set(stored))} published trades are lost"
        for interval, seconds in LENGTHS_S.items():
            different = DIFFERENT.format(interval=interval, recomputed=RECOMPUTED.format(seconds=seconds))
            wrong = connection.sql(WRONG.format(different=different, seconds=seconds))
            told = [dict(zip(wrong.columns, map(str, row), strict=True)) for row in wrong.fetchall()]
            assert told == [], (interval, told, connection.sql("FROM coverage").fetchall())
    return len(stored)


def test_crash_loses_nothing(tmp_path: Path, venue: Path) -> None:
    chance = random.Random(2026)
    seen: set[tuple[str, str]] = set()
    stored = total = 0
    for number in range(ROUNDS):
        # Every third dies at some moment of its beginning, the others in the middle of their work.
        wanted, pause_s = (chance.randrange(50, 200), 0.5) if number % 3 else (0, 2.5)
        total += wanted
        process, log = start(tmp_path, f"up-{number}", "up", "--config", str(venue))
        try:
            port = started(log, r"http://127\.0\.0\.1:(\d+)", process)[1]
            address = f"ws://127.0.0.1:{port}/api/v1/stream"
            asyncio.run(follow(address, process, seen, wanted, chance.uniform(0.0, pause_s)))
        finally:
            process.kill()
            process.wait()
        stored = check(tmp_path / "crash.duckdb", seen)
    assert stored >= len(seen) >= total > 0
