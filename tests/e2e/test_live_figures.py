"""The real program over simulated venues on real sockets: every figure that it stored or streamed, three times more.

What a live session stored is recomputed from its own trades and quotes by pandas, NumPy and TA-Lib and by SQL, and its
recording is replayed into another database: all agree to 1e-9.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import talib
from tests.e2e.programs import FULLTAPE, start, started
from tests.golden.test_statistics_by_sql import BAR_TICKS, BARS, STATS, WINDOWS, rows, same
from tests.operators.reference import changes, tick_figures, windows
from tests.operators.tape import SECOND

from fulltape.client import Client
from fulltape.records import STATS as STAT_ROWS
from fulltape.records import AggressorSide, Array, Batch
from fulltape.stores.duckdb import DuckDbStore

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

INSTRUMENTS = ("BTC-USD.COINBASE", "ETH-USD.COINBASE", "BTC-USD.KRAKEN", "ETH-USD.KRAKEN")
INTERVALS = {"1s": 1, "5s": 5, "1m": 60, "1h": 3_600, "1d": 86_400}
CONFIG = f"""
[server]
port = 0
[store]
path = "live.duckdb"
simulated = true
[capture]
enabled = true
[candles]
intervals = [{", ".join(f'"{name}"' for name in INTERVALS)}]
[statistics]
bar_ticks = {BAR_TICKS}
[history]
warm_bars = 0
refill_hours = 0
[venues.coinbase]
url = "{{0}}"
rest_url = "{{1}}"
instruments = ["BTC-USD", "ETH-USD"]
[venues.kraken]
url = "{{2}}"
rest_url = "{{3}}"
instruments = ["BTC/USD", "ETH/USD"]
"""
INDICATORS: dict[str, Any] = {
    "RSI(period=5)@1s": lambda c: {"rsi": talib.RSI(c["close"], 5)},
    "ATR(period=4)@1s": lambda c: {"atr": talib.ATR(c["high"], c["low"], c["close"], 4)},
    "MFI(period=4)@1s": lambda c: {"mfi": talib.MFI(c["high"], c["low"], c["close"], c["volume"], 4)},
    "MACD(fast=3,slow=6,signal=3)@1s": lambda c: dict(
        zip(("macd", "macdsignal", "macdhist"), talib.MACD(c["close"], 3, 6, 3), strict=True)
    ),
    "EMA(period=3)@5s": lambda c: {"ema": talib.EMA(c["close"], 3)},
}
ENOUGH = 40 * len(INSTRUMENTS) * len(INDICATORS)
"""Rows of indicators: some 40 seconds."""
DERIVED = {
    "trades": ("trade_id",),
    "quotes": ("ingest_time", "event_time", "bid", "ask", "bid_size", "ask_size"),
    "candles": ("interval", "start"),
    "stats": ("trade_id",),
    "windows": ("start",),
    "activity_bars": ("basis", "number"),
    "quote_stats": ("ingest_time",),
    "depths": ("ingest_time",),
}


class Session:
    """What one live session left: its database, its recording, and the indicators that it streamed."""

    def __init__(self, folder: Path, streamed: Sequence[dict[str, Any]]) -> None:
        self.folder = folder
        self.streamed = streamed
        self.database = folder / "live.duckdb"
        self.trades = {name: self._trades(name) for name in INSTRUMENTS}

    def read(self, query: str, *parameters: Any) -> pd.DataFrame:
        """Return the rows of a query over the live database, times as ns."""
        return read(self.database, query, *parameters)

    def _trades(self, instrument: str) -> pd.DataFrame:
        query = """
            SELECT trade_id::BIGINT AS trade_id, price, size, aggressor_side, event_time, ingest_time
            FROM trades WHERE instrument = ? ORDER BY event_time, trade_id::BIGINT
        """
        found = self.read(query, instrument)
        found["aggressor_side"] = found["aggressor_side"].map(lambda name: int(AggressorSide[name]))
        assert len(found) > 200
        assert found["ingest_time"].is_monotonic_increasing, "a trade came late: it is no tick"
        return found


def read(database: Path, query: str, *parameters: Any) -> pd.DataFrame:
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(query, list(parameters)).df()
    times = [name for name in found if pd.api.types.is_datetime64_any_dtype(found[name])]
    found[times] = found[times].astype("datetime64[ns]").astype(np.int64)
    return found


def close(found: Any, expected: Any, scale: float, what: str) -> None:
    """Compare at 1e-9 relative; what is near 0 because it cancels, at 1e-9 of what it is the difference of."""
    arrays = [np.asarray(values, float) for values in (found, expected)]
    np.testing.assert_allclose(arrays[0], arrays[1], rtol=1e-9, atol=1e-9 * scale, err_msg=what)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Follow the venues until a full minute has become a window, then stop as Ctrl-C does."""
    folder = tmp_path_factory.mktemp("live")
    wish = ("--venues", "coinbase,kraken", "--symbol", "BTC-USD", "--symbol", "ETH-USD")
    sim, log = start(folder, "sim", "sim", "--port", "0", "--seed", "7", "--trades-per-s", "150", *wish)
    programs = [sim]
    try:
        found = started(log, r"(ws://\S+).*?(http://\S+).*?(ws://\S+).*?(http://\S+)", sim)
        (folder / "live.toml").write_text(CONFIG.format(*found.groups()))
        up, log = start(folder, "up", "up", "--config", "live.toml")
        programs.append(up)
        address = started(log, r"http://127\.0\.0\.1:\d+", up)[0]
        streamed = follow(address)
        up.send_signal(signal.SIGINT)
        assert up.wait(240) == 0, log.read_text()
        yield Session(folder, streamed)
    finally:
        for program in programs:
            program.kill()
            program.wait()


def follow(address: str) -> list[dict[str, Any]]:
    """Follow the stream until every instrument had a full minute, and enough more; return the indicators' rows."""
    told: list[dict[str, Any]] = []
    minutes: set[str] = set()
    with Client(address) as tape:
        known = {row["id"] for row in tape.get("instruments")["instruments"]}
        while not known.issuperset(INSTRUMENTS):
            known = {row["id"] for row in tape.get("instruments")["instruments"]}
        for update in tape.stream(INSTRUMENTS, ["indicators", "windows"], indicators=list(INDICATORS)):
            told += update.records.get("indicators", ())
            minutes |= {row["instrument"] for row in update.records.get("windows", ()) if row["volume"] is not None}
            if minutes.issuperset(INSTRUMENTS) and len(told) >= ENOUGH:
                return told
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_figures_after_ticks_are_those_of_pandas(session: Session, instrument: str) -> None:
    trades = session.trades[instrument]
    stats = session.read(
        "SELECT *, trade_id::BIGINT AS number FROM stats WHERE instrument = ? ORDER BY number", instrument
    )
    assert len(stats) > 10
    place = trades.reset_index().set_index("trade_id")["index"][stats["number"]].to_numpy()
    spread = 1e-6 * float(trades["price"].max())
    scales = {"cvd": float(trades["size"].sum()), "change_1t": 100.0, "all_time_high_distance": 100.0}
    for name, expected in tick_figures(trades).items():
        close(stats[name], np.asarray(expected, float)[place], scales.get(name, spread), name)
    ticks = Batch(STAT_ROWS, {name: stats[name].to_numpy() for name in ("event_time", "price")})
    for name, expected in changes(trades, ticks).items():
        close(stats[name], expected, 100.0, name)


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_windows_are_those_of_pandas(session: Session, instrument: str) -> None:
    stored = session.read("FROM windows WHERE instrument = ? ORDER BY start", instrument).set_index("start")
    wanted = windows(session.trades[instrument])
    wanted = wanted[wanted.index <= stored.index.max()]
    assert stored.index.tolist() == wanted.index.tolist()
    assert stored["volume"].notna().any()
    spread = 1e-6 * float(session.trades[instrument]["price"].max())
    half = wanted["volume"].isna()
    for name in wanted:
        expected = wanted[name].astype(float).mask(half & (name not in ("trades", "mean_60s_30s")))
        close(stored[name].astype(float), expected, float(stored["volume"].max()) if name == "delta" else spread, name)


def candles_of(trades: pd.DataFrame, seconds: int) -> pd.DataFrame:
    """Return candles by start, made by pandas."""
    value, bought = (
        trades["price"] * trades["size"],
        trades["size"].where(trades["aggressor_side"] == AggressorSide.BUY, 0),
    )
    by = trades.assign(value=value, bought=bought).groupby(
        trades["event_time"] // (seconds * SECOND) * seconds * SECOND
    )
    made = by.agg(
        open=("price", "first"), high=("price", "max"), low=("price", "min"), close=("price", "last"),
        volume=("size", "sum"), quote_volume=("value", "sum"), trades=("price", "size"),
        taker_buy_volume=("bought", "sum"),
    )  # fmt: skip
    return made.assign(vwap=made["quote_volume"] / made["volume"])


@pytest.mark.parametrize("interval", INTERVALS)
def test_candles_are_those_of_pandas(session: Session, interval: str) -> None:
    for instrument, trades in session.trades.items():
        query = "FROM candles WHERE instrument = ? AND interval = ? AND trades > 0 ORDER BY start"
        stored = session.read(query, instrument, interval).set_index("start")
        wanted = candles_of(trades, INTERVALS[interval])
        assert stored.index.tolist() == wanted.index.tolist()
        for name in wanted:
            close(stored[name], wanted[name], 0.0, f"{instrument} {name}")


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_activity_bars_are_those_of_pandas(session: Session, instrument: str) -> None:
    stored = session.read("FROM activity_bars WHERE instrument = ? ORDER BY number", instrument)
    trades = session.trades[instrument].assign(value=lambda t: t["price"] * t["size"])
    by = trades.groupby(trades.index // BAR_TICKS)
    wanted = by.agg(
        start=("event_time", "first"), end=("event_time", "last"), open=("price", "first"), high=("price", "max"),
        low=("price", "min"), close=("price", "last"), volume=("size", "sum"), quote_volume=("value", "sum"),
    )[: len(trades) // BAR_TICKS]  # fmt: skip
    assert len(stored) == len(wanted) > 5
    for name in wanted:
        close(stored[name], wanted[name], 0.0, name)


def test_figures_of_quotes_are_those_of_numpy(session: Session) -> None:
    """Each quote that ends a second, alone and beside that of the other venue at the end of the second."""
    quotes = session.read("FROM quotes ORDER BY ingest_time, event_time")
    quotes["second"] = quotes["ingest_time"] // SECOND
    newest = quotes.sort_values(["event_time", "ingest_time"]).groupby(["instrument", "second"], as_index=False).last()
    stored = session.read("FROM quote_stats ORDER BY instrument, ingest_time")
    stored["second"] = stored["ingest_time"] // SECOND
    assert len(stored) > 60
    both = stored.merge(newest, on=["instrument", "second"], suffixes=("", "_q"), how="left", validate="1:1")
    assert both["ingest_time"].tolist() == both["ingest_time_q"].tolist()
    bid, ask, bid_size, ask_size = (both[f"{name}_q"] if f"{name}_q" in both else both[name] for name in QUOTE)
    mid, price = (bid + ask) / 2, float(quotes["ask"].max())
    close(both["spread"], ask - bid, 1e-6 * price, "spread")
    close(both["mid"], mid, 0.0, "mid")
    close(both["spread_bp"], (ask - bid) / mid * 1e4, 1e4 * 1e-6, "spread_bp")
    close(both["microprice"], (ask * bid_size + bid * ask_size) / (bid_size + ask_size), 0.0, "microprice")
    product = both["instrument"].str.partition(".")[0]
    held = newest.assign(product=newest["instrument"].str.partition(".")[0])
    compared = [
        together(held[held["product"] == one], second) for one, second in zip(product, both["second"], strict=True)
    ]
    told = pd.DataFrame(compared, columns=["venues", "best_bid", "best_ask", "median_price"])
    assert (told["venues"] == 2).sum() > 30
    for name in told:
        close(both[name], told[name], 0.0, name)
    close(both["premium_bp"], (mid / told["median_price"] - 1) * 1e4, 1e4 * 1e-6, "premium_bp")
    assert not both["is_outlier"].any()  # of two nobody can tell which is wrong


QUOTE = ("bid", "ask", "bid_size", "ask_size")


def together(held: pd.DataFrame, second: int) -> tuple[float, float, float, float]:
    """Return what the newest quotes of one product say at the end of a second."""
    there = held[held["second"] <= second].sort_values("second").groupby("instrument").last()
    mids = (there["bid"] + there["ask"]) / 2
    if len(there) < 2:
        return len(there), np.nan, np.nan, np.nan
    return len(there), there["bid"].max(), there["ask"].min(), mids.median()


@pytest.mark.parametrize("text", INDICATORS)
def test_streamed_indicators_are_those_of_ta_lib(session: Session, text: str) -> None:
    label, _, interval = text.partition("@")
    for instrument, trades in session.trades.items():
        mine = [row for row in session.streamed if (row["instrument"], row["indicator"]) == (instrument, label)]
        told = {row["start"]: row for row in mine}
        candles = candles_of(trades, INTERVALS[interval])
        assert len(told) > (30 if interval == "1s" else 6)
        starts = [np.datetime64(start.rstrip("Z"), "ns").astype(np.int64) for start in told]
        arrays: dict[str, Array] = {name: candles[name].to_numpy(float) for name in candles}
        for name, values in INDICATORS[text](arrays).items():
            expected = pd.Series(values, candles.index)[starts]
            scale = float(candles["close"].max()) if name.startswith("macd") else 100.0
            close([row[name] for row in told.values()], expected, scale, f"{instrument} {name}")


def test_sql_over_the_stored_trades_gives_every_figure(session: Session) -> None:
    with DuckDbStore.open(session.database, simulated=True) as store:
        reader = store.reader()
        sizes = reader.table_sizes()
        for kind, query in {"stats": STATS, "windows": WINDOWS, "activity_bars": BARS}.items():
            found = rows(reader, query)
            assert len(found) == sizes[kind] > 0
            for row in found:
                names = [column.removesuffix("_1") for column in row if column.endswith("_1")]
                skipped = {"instrument", "trade_id", "start", "number"}
                if kind == "windows" and row["shift"]:
                    skipped |= set(names) - {"trades", "mean_60s_30s"}
                assert [name for name in names if name not in skipped and not same(row, name)] == []


def test_the_recording_replayed_gives_the_same_rows(session: Session) -> None:
    done = subprocess.run(
        [FULLTAPE, "replay", "captures", "--db", "replayed.duckdb", "--config", "live.toml"],
        cwd=session.folder, capture_output=True, text=True, check=False, timeout=1_800,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    end = int(session.read("SELECT max(ingest_time) AS newest FROM trades")["newest"][0])
    for kind, key in DERIVED.items():
        live, replayed = (read(path, f"FROM {kind}") for path in (session.database, session.folder / "replayed.duckdb"))
        names = [name for name in live if name not in ("origin", "is_final", "reason")]
        if kind == "candles":
            live, replayed = (one[one["is_final"] & (one["trades"] > 0)] for one in (live, replayed))
        both = live[names].merge(
            replayed[names], on=["instrument", *key], suffixes=("", "_r"), how="outer", indicator=True
        )
        assert (both["_merge"] != "right_only").all(), kind
        # Live the clock goes on to the very end; a recording ends with its last frame.
        time = "start" if "start" in key else ("event_time" if "event_time" in names else "ingest_time")
        only = both[both["_merge"] == "left_only"]
        assert len(only) == 0 or only[time if time in only else "end"].min() > end - 70 * SECOND, kind
        shared = both[both["_merge"] == "both"]
        assert len(shared) > 0.8 * len(live) > 0, kind
        for name in names:
            if f"{name}_r" in shared and pd.api.types.is_numeric_dtype(shared[name]):
                close(shared[name], shared[f"{name}_r"], 0.0, f"{kind} {name}")
            elif f"{name}_r" in shared:
                assert shared[name].equals(shared[f"{name}_r"].rename(name)), f"{kind} {name}"
