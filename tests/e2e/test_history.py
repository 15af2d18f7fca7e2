"""A month of bars, through three kills of the real program: in the end they are the venue's own, each once."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest
from tests.e2e.programs import START_S, end, start, started

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DAYS = 30
PACE = 20
"""Requests a second: on the fastest machine the 144 pages of a month take longer than the three that are killed."""
DAY_S = 86_400
LENGTHS_S = {"5m": 300, "1h": 3_600, "1d": DAY_S}
CONFIG = """
[store]
path = "{database}"
simulated = true
[venues.coinbase]
rest_url = "{rest}"
requests_per_s = {pace}
"""


@pytest.fixture
def rest(tmp_path: Path) -> Iterator[str]:
    """The REST address of a simulated venue with a month behind it."""
    past = ("--past-days", str(DAYS + 1), "--trades-per-s", "10", "--seed", "11")
    process, log = start(tmp_path, "sim", "sim", "--port", "0", *past)
    try:
        yield started(log, r"REST\s+(http://\S+)", process)[1]
    finally:
        end(process)


def sent_bars(rest: str, start_s: int, end_s: int) -> dict[int, tuple[float, ...]]:
    """Ask the venue itself for its bars, as (low, high, open, close, volume) by start."""
    bars: dict[int, tuple[float, ...]] = {}
    with httpx.Client(base_url=rest, timeout=120, trust_env=False) as client:
        for first in range(start_s, end_s, 300 * 60):
            last = min(first + 299 * 60, end_s - 60)
            query = {"granularity": "60", "start": str(first), "end": str(last)}
            answer = client.get("/products/BTC-USD/candles", params=query).raise_for_status().json()
            bars |= {int(row[0]): tuple(map(float, row[1:])) for row in answer}
    return bars


def test_a_month_of_bars_survives_three_kills(tmp_path: Path, rest: str) -> None:
    config, chance = tmp_path / "history.toml", random.Random(2026)
    config.write_text(CONFIG.format(database=tmp_path / "history.duckdb", rest=rest, pace=PACE))
    end = int(time.time()) // 3_600 * 3_600
    times = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t)) for t in (end - DAYS * DAY_S, end)]
    asked = ("backfill", "BTC-USD.COINBASE", "--config", str(config), "--from", times[0], "--to", times[1])
    kept = []
    for number in range(3):
        process, _ = start(tmp_path, f"backfill-{number}", *asked)
        wait_for_bars(tmp_path / "history.duckdb", process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.1, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept.append(stored_bars(tmp_path / "history.duckdb"))
    assert 0 < len(kept[0]) < len(kept[1]) < len(kept[2]) < DAYS * 1_440, "the kills must fall into the work"
    process, log = start(tmp_path, "backfill-last", *asked)
    assert process.wait(1_200) == 0, log.read_text()
    stored = stored_bars(tmp_path / "history.duckdb")
    assert len(stored) == DAYS * 1_440
    assert len(dict(stored)) == len(stored), "a bar is stored twice"
    assert dict(stored) == sent_bars(rest, end - DAYS * DAY_S, end)
    check_rolled_up(tmp_path / "history.duckdb")


def wait_for_bars(database: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the write-ahead log has grown by more than a new database's tables: then the work is under way."""
    deadline, log = time.monotonic() + START_S, database.with_suffix(".duckdb.wal")
    before = size = log.stat().st_size if log.exists() else 0
    while time.monotonic() < deadline and process.poll() is None:
        if size > before + 300_000:
            return
        time.sleep(0.01)
        size = log.stat().st_size if log.exists() else 0
        before = min(before, size)  # what the last one left may have gone into the database
    pytest.fail("the backfill wrote nothing, or ended too soon")


def stored_bars(database: Path) -> list[tuple[int, tuple[float, ...]]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.sql("SELECT epoch(start)::BIGINT, low, high, open, close, volume FROM bars").fetchall()
    return [(row[0], tuple(row[1:])) for row in rows]


def check_rolled_up(database: Path) -> None:
    """Every coarser candle that lies within the month is made of the minutes inside it."""
    with duckdb.connect(str(database), read_only=True) as connection:
        for interval, length_s in LENGTHS_S.items():
            made = connection.sql(
                f"SELECT start, open, high, low, close, volume, trades, source FROM candles WHERE interval='{interval}'"
            ).fetchall()
            expected = {
                row[0]: row[1:]
                for row in connection.sql(
                    f"""SELECT time_bucket(to_seconds({length_s}), start) AS window, arg_min(open, start),
                    max(high), min(low), arg_max(close, start), sum(volume), count(*) FROM bars GROUP BY ALL"""
                ).fetchall()
            }
            assert len(made) >= DAYS * DAY_S // length_s - 2
            for start_time, *prices, volume, trades, source in made:
                assert prices == list(expected[start_time][:4]), (interval, start_time)
                assert volume == pytest.approx(expected[start_time][4], rel=1e-12)
                assert (trades, source) == (None, "VENUE_BAR")
