"""Candles against those that venues made of the same trades."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.operators.market import split
from tests.operators.tape import MINUTE, SECOND, T, run

from fulltape.clock import parse_rfc3339
from fulltape.operators.candle_plan import CandleConfig
from fulltape.operators.candles import Candles
from fulltape.operators.rollup import roll_up
from fulltape.records import BARS, Batch
from fulltape.records.columns import NULL_INT

DAY = 86_400


class Phemex:
    """What the two recordings hold: trades by symbol, oldest first, and the venue's own minutes by (symbol, start)."""

    def __init__(self, recordings: Path) -> None:
        self.trades: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        self.minutes: dict[tuple[str, int], list[int]] = {}
        for message in _messages(sorted(recordings.glob("captures/phemex-?-2021-07-03.jsonl.gz"))):
            symbol = message["symbol"]
            newest_first = message.get("trades", [])
            self.trades[symbol] += [(time, price, size) for time, _, price, size in reversed(newest_first)]
            for start, _, _, *figures in message.get("kline", []):
                self.minutes[symbol, start] = figures[:5]

    def tape(self) -> list[T]:
        """Return the trades in order of time; instruments are numbered by symbol, prices are the venue's integers."""
        rows = [
            T(time, i, float(price), float(size), code)
            for code, symbol in enumerate(sorted(self.trades))
            for i, (time, price, size) in enumerate(self.trades[symbol])
        ]
        return sorted(rows, key=lambda t: (t.time, t.code, t.trade_id))


def _messages(paths: list[Path]) -> Iterator[Any]:
    for path in paths:
        with gzip.open(path, "rt") as lines:
            for line in lines:
                if '"recv"' in line and ("trades" in line or "kline" in line):
                    message = json.loads(json.loads(line)["data"])
                    if "symbol" in message:
                        yield message


@pytest.mark.golden
def test_phemex_trades_make_the_venue_s_own_minutes(recordings: Path) -> None:
    expected = json.loads((recordings / "expected.json").read_text())["captures/phemex-{1,2}-2021-07-03.jsonl.gz"]
    phemex = Phemex(recordings)
    tape = phemex.tape()
    table = run(Candles(CandleConfig(("1m", "5m"))), split(tape, range(0, len(tape), 97), tape[-1].time + 2 * MINUTE))
    equal = 0
    for code, symbol in enumerate(sorted(phemex.trades)):
        span = expected["trade_to_1m_candle_check"]["per_symbol"][symbol]
        for start in range(span["first_complete_bucket"], span["end_exclusive"], 60):
            ours = table.rows[code, 60, start * SECOND]
            figures = phemex.minutes[symbol, start]
            if figures[4] == 0:
                assert ours.trades == 0
            else:
                assert [ours.open, ours.high, ours.low, ours.close, ours.volume] == figures
                equal += 1
    assert equal == expected["trade_to_1m_candle_check"]["total_compared"] == 2_121


def _bars(rows: list[list[str]], interval_s: int, start: int) -> Batch:
    times = [start + int(row[0]) * 10**6 for row in rows]
    names = ("open", "high", "low", "close", "volume")
    figures = {name: [float(row[i]) for row in rows] for i, name in enumerate(names, start=1)}
    columns: dict[str, list[Any]] = {
        "instrument": [0],
        "interval": [interval_s],
        "vwap": [float("nan")],
        "trades": [NULL_INT],
    }
    constant = {name: value * len(rows) for name, value in columns.items()}
    return BARS.from_columns({**figures, **constant, "start": times, "ingest_time": times})


def _csv(path: Path) -> list[list[str]]:
    with zipfile.ZipFile(path) as archive:
        return [line.split(",") for line in archive.read(archive.namelist()[0]).decode().split()]


@pytest.mark.golden
@pytest.mark.parametrize("day", ["2017-09-03", "2017-09-04", "2017-12-17"])
def test_coinbase_minutes_roll_up_to_the_venue_s_day(recordings: Path, day: str) -> None:
    name = day.replace("-", "")
    minutes = _csv(recordings / "candles" / f"coinbase-btcusd-1m-{name}.zip")
    with zipfile.ZipFile(recordings / "candles" / "coinbase-btcusd-1d.zip") as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    official = [float(text) for line in lines if line.startswith(name) for text in line.split(",")[1:]]
    start = parse_rfc3339(f"{day}T00:00:00Z")
    bars = _bars(minutes, 60, start)
    assert len(bars) == 1_440
    for steps in ([DAY], [300, DAY], [900, 3_600, 4 * 3_600, DAY]):
        rolled = bars
        for interval_s in steps:
            rolled = roll_up(rolled, interval_s)
        found = [float(rolled[column][0]) for column in ("open", "high", "low", "close", "volume")]
        assert (len(rolled), rolled["start"][0]) == (1, start)
        assert found[:4] == official[:4]
        assert found[4] == official[4] if steps == [DAY] else found[4] == pytest.approx(official[4], rel=1e-15)
