"""Every recording of a real venue, replayed by the very command: all figures that others computed from it."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fulltape.capture.replayer import ReplayReport
from fulltape.cli import wiring
from fulltape.cli.replay import replay_into
from fulltape.clock import SECOND_NS, parse_rfc3339
from fulltape.engine.config import Config
from fulltape.engine.pipeline import Pipeline
from fulltape.records import (
    COVERAGE,
    QUOTES,
    TICKERS,
    TRADES,
    AggressorSide,
    Array,
    Batch,
    CoverageState,
    Instrument,
    Origin,
    QuoteSource,
)
from fulltape.records.status import EngineStatus
from fulltape.stores.base import Selection

TOP = ("bid", "bid_size", "ask", "ask_size")
ELSEWHERE = {
    "bitmex-instruments-2021.jsonl.gz": "replayed along with the stream",
    "coinbase-products-2021.jsonl.gz": "replayed along with the stream",
    "phemex-1-2021-07-03.jsonl.gz": "no venue of ours; its candles are checked in tests/operators",
    "phemex-2-2021-07-03.jsonl.gz": "no venue of ours; its candles are checked in tests/operators",
}

pytestmark = pytest.mark.golden


@dataclass(frozen=True)
class Replayed:
    """What a replay left in the database and in the pipeline, and what others found in the recording."""

    report: ReplayReport
    status: EngineStatus
    pipeline: Pipeline
    tables: Mapping[str, Batch]
    expected: Mapping[str, Any]

    def symbol(self, code: int) -> str:
        return self.pipeline.table[code].venue_symbol

    def by_symbol(self, kind: str) -> dict[str, Batch]:
        """Return the rows of each venue symbol."""
        batch = self.tables[kind]
        codes = np.unique(batch["instrument"]).tolist()
        return {self.symbol(code): batch.take(batch["instrument"] == code) for code in codes}

    def tops(self) -> dict[str, tuple[Instrument, list[float]]]:
        """Return of each valid book its instrument, its top and its numbers of levels."""
        found = {}
        for code, instrument in enumerate(self.pipeline.table):
            book = self.pipeline.quotes.book(code)
            if book is not None and book.is_valid:
                assert not book.is_crossed
                found[instrument.venue_symbol] = (instrument, [*book.top, len(book.bids), len(book.asks)])
        return found


Replay = Callable[..., Replayed]


@pytest.fixture
def replay(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replay:
    runners = []
    make = wiring.replay_runner

    def remember(*args: Any) -> Any:
        runners.append(make(*args))
        return runners[-1]

    monkeypatch.setattr(wiring, "replay_runner", remember)

    def work(*names: str) -> Replayed:
        source = wiring.replay_source(
            [recordings / "captures" / f"{name}.jsonl.gz" for name in names], venue_name=None, speed=None
        )
        with wiring.open_store(tmp_path / "x.duckdb", simulated=False) as store:
            report, status = asyncio.run(replay_into(Config(), source, store, asyncio.Event()))
            reader = store.reader()
            tables = {schema.name: reader.read(Selection(schema)) for schema in (TRADES, QUOTES, TICKERS, COVERAGE)}
            reader.close()
        expected = json.loads((recordings / "expected.json").read_text())[f"captures/{names[0]}.jsonl.gz"]
        assert (report.unusable, status.error) == ({}, "")
        return Replayed(report, status, runners[-1][0].pipeline, tables, expected)

    return work


def total(sizes: Array) -> Decimal:
    """Add sizes as the decimals that they were written as."""
    return sum((Decimal(repr(size)) for size in sizes.tolist()), Decimal())


def seconds(time: float) -> int:
    return int(Decimal(repr(time)) * SECOND_NS)


def test_no_recording_is_left_out(recordings: Path) -> None:
    names = {path.name for path in (recordings / "captures").iterdir()}
    replayed = {"binance-btcusdt-2024-08-08", "bitmex-2021-07-22", "bitstamp-2022-01-05", "bybit-2026-08-09"}
    replayed |= {"coinbase-2021-04-17", "okx-2022-05-13"}
    assert names == {f"{name}.jsonl.gz" for name in replayed} | ELSEWHERE.keys()


def test_coinbase(replay: Replay) -> None:
    found = replay("coinbase-2021-04-17", "coinbase-products-2021")
    expected, frames = found.expected, found.expected["frames_by_type"]
    assert found.report.frames == found.status.frames == expected["frames"]
    assert found.report.last_time == seconds(expected["last_recv"])
    assert found.status.rejected == {}
    assert len(found.tables["tickers"]) == frames["ticker"]
    trades = found.tables["trades"]
    origins = Counter(trades["origin"].tolist())
    assert origins == {Origin.REPLAY: frames["match"], Origin.SNAPSHOT: frames["last_match"]}
    matches = trades.take(trades["origin"] == Origin.REPLAY)
    times = [parse_rfc3339(expected[name]) for name in ("match_first_time", "match_last_time")]
    assert [matches["event_time"].min(), matches["event_time"].max()] == times
    own = {name: rows.take(rows["origin"] == Origin.REPLAY) for name, rows in found.by_symbol("trades").items()}
    assert {name: len(rows) for name, rows in own.items() if len(rows)} == expected["match_per_symbol"]
    sums = {name: Decimal(text) for name, text in expected["match_sum_size_per_symbol"].items()}
    assert {name: total(rows["size"]) for name, rows in own.items() if len(rows)} == sums
    sides = dict(zip(trades["trade_id"].tolist(), trades["aggressor_side"].tolist(), strict=True))
    tickers = found.tables["tickers"]
    same = [sides.get(row, side) == side for row, side in zip(*_ids_and_sides(tickers), strict=True)]
    assert sum(same) == expected["ticker_side_opposite_of_match_side"]  # a match tells the maker's side, we the taker's
    assert sorted(one.venue_symbol for one in found.pipeline.table) == expected["symbols"]
    assert all(one.price_step > 0 for one in found.pipeline.table)
    figures = (*TOP, "bid_levels", "ask_levels")
    tops = {name: [float(top[figure]) for figure in figures] for name, top in expected["final_top_of_book"].items()}
    assert {name: top for name, (_, top) in found.tops().items()} == tops
    assert found.status.book_resyncs == expected["crossed_or_locked_after_update"] == 0


def _ids_and_sides(batch: Batch) -> tuple[list[int], list[int]]:
    return batch["trade_id"].tolist(), batch["aggressor_side"].tolist()


def test_bitmex(replay: Replay, recordings: Path) -> None:
    found = replay("bitmex-2021-07-22", "bitmex-instruments-2021")
    expected = found.expected
    assert found.status.frames == expected["frames"]
    assert (found.status.rejected, found.status.book_resyncs) == ({}, expected["updates_or_deletes_for_unknown_id"])
    trades = found.tables["trades"]
    assert len(trades) == expected["trade_rows_total"]
    live = {name: rows.take(rows["origin"] == Origin.REPLAY) for name, rows in found.by_symbol("trades").items()}
    assert sum(map(len, live.values())) == expected["trade_rows_insert"]
    # An inverse contract is one dollar, and its size in base is contracts / price.
    contracts = live["XBTUSD"]["size"] * live["XBTUSD"]["price"]
    assert round(contracts.sum()) == expected["trade_insert_sum_size_per_symbol"]["XBTUSD"]
    # Trades say their size in base themselves, whatever their contract is.
    printed = _bitmex_prints(recordings / "captures" / "bitmex-2021-07-22.jsonl.gz")
    sums = {name: sum(contracts for contracts, _ in rows) for name, rows in printed.items()}
    assert sums == expected["trade_insert_sum_size_per_symbol"]
    in_base = {name: math.fsum(size for _, size in rows) for name, rows in printed.items()}
    assert {name: math.fsum(rows["size"].tolist()) for name, rows in live.items() if len(rows)} == in_base
    own = {name: rows["source"] == QuoteSource.QUOTE for name, rows in found.by_symbol("quotes").items()}
    assert {name: int(rows.sum()) for name, rows in own.items()} == expected["quote_rows_per_symbol"]
    times = [parse_rfc3339(expected[name]) for name in ("trade_first_time", "trade_last_time")]
    assert [trades["event_time"].min(), trades["event_time"].max()] == times
    assert sorted(one.venue_symbol for one in found.pipeline.table) == expected["symbols"]
    for name, top in expected["final_top_of_book"].items():
        instrument, ours = found.tops()[name]
        sizes = [_in_base(instrument, float(top[f"{side}_size"]), float(top[side])) for side in ("bid", "ask")]
        levels = [top["bid_levels"], top["ask_levels"]]
        assert ours == pytest.approx([float(top["bid"]), sizes[0], float(top["ask"]), sizes[1], *levels], rel=1e-15)


def _bitmex_prints(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Read contracts and base sizes of the trades that were inserted, by symbol, from the recording itself."""
    found: dict[str, list[tuple[int, float]]] = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            frame = json.loads(json.loads(line)["data"] or "{}")
            if (frame.get("table"), frame.get("action")) == ("trade", "insert"):
                for row in frame["data"]:
                    found.setdefault(row["symbol"], []).append((row["size"], row["homeNotional"]))
    return found


def _in_base(instrument: Instrument, contracts: float, price: float) -> float:
    """Return a size by the rules of the venue's documentation, written down once more."""
    if instrument.venue_symbol == "XBTUSD":
        return contracts / price
    # Ends in Bitcoin: one contract is one coin. All others of that time are quanto and stay contracts.
    assert instrument.contract == ("linear" if instrument.quote == "BTC" else "quanto")
    return contracts


def test_okx(replay: Replay) -> None:
    found = replay("okx-2022-05-13")
    kinds = found.expected["by_kind"]
    assert found.report.frames == found.expected["frames"]
    assert found.status.rejected == {}
    assert len(found.tables["tickers"]) == kinds["tickers"]
    assert len(found.tables["trades"]) == kinds["trades"]
    assert found.report.last_time == seconds(found.expected["last_recv"])
    assert set(found.tops()) == {"BTC-USDT", "BTC-USD-220527", "UNI-USD-SWAP"}


def test_bitstamp(replay: Replay) -> None:
    found = replay("bitstamp-2022-01-05")
    kinds = found.expected["by_kind"]
    assert found.report.frames == found.expected["frames"]
    trades = kinds["trade:live_trades_ethusd"]
    changes = sum(count for kind, count in kinds.items() if kind.startswith("data:diff_order_book"))
    assert found.report.frames - trades - changes == 20  # confirmations, of which the figures name 15
    assert found.status.rejected == {}
    assert {name: len(rows) for name, rows in found.by_symbol("trades").items()} == {"ethusd": trades}
    assert found.report.last_time == seconds(found.expected["last_recv"])
    assert found.tops() == {}, "the recording has no snapshot, so no book may be shown"


def test_bybit_spot_and_linear_are_told_apart(replay: Replay, recordings: Path) -> None:
    found = replay("bybit-2026-08-09")
    expected, kinds = found.expected["trades"], found.expected["records"]
    received = ("tickers", "(op ack)", "orderbook", "kline", "publicTrade")
    assert found.report.frames == sum(kinds[kind] for kind in received)
    assert found.status.rejected == {}
    assert len(found.tables["tickers"]) == kinds["tickers"]
    venues = {"BYBIT.ws.2": "BYBITLINEAR", "BYBIT.ws.3": "BYBIT"}
    wanted = {}
    for key, one in expected.items():
        connection, _, symbol = key.partition("/")
        first, last = (one[name] * 1_000_000 for name in ("first_T", "last_T"))
        wanted[venues[connection], symbol] = (one["n"], first, last, Decimal(one["sum_v"]))
    trades = found.tables["trades"]
    ours = {}
    for code in np.unique(trades["instrument"]).tolist():
        rows, instrument = trades.take(trades["instrument"] == code), found.pipeline.table[code]
        times = (int(rows["event_time"].min()), int(rows["event_time"].max()))
        ours[instrument.venue, instrument.venue_symbol] = (len(rows), *times, total(rows["size"]))
    assert ours == wanted
    assert all(one.price_step > 0 for one in found.pipeline.table)
    assert found.status.book_resyncs == 0


def test_binance_has_no_hole_and_its_skew_is_no_lateness(replay: Replay) -> None:
    found = replay("binance-btcusdt-2024-08-08")
    expected = found.expected
    trades = found.tables["trades"]
    ids = trades["trade_id"]
    assert found.report.frames == sum(expected["frames_by_stream"].values()) - 1  # the snapshot came by REST
    assert len(trades) == expected["trades"]
    assert (ids.min(), ids.max()) == (expected["trade_id_first"], expected["trade_id_last"])
    assert (np.diff(np.sort(ids)) == 1).all() == expected["contiguous"]
    assert total(trades["size"]) == Decimal(expected["sum_size"])
    assert np.count_nonzero(trades["aggressor_side"] == AggressorSide.SELL) == expected["aggressor_sell"]
    ledger = found.tables["coverage"]
    # Whole from the first trade to the last frame; what comes after the recording's end, nobody knows.
    assert ledger["state"].tolist() == [CoverageState.COMPLETE, CoverageState.DOWN]
    assert ledger["start"].tolist() == [trades["ingest_time"].min(), found.report.last_time]
    assert (found.status.gaps_open, found.status.late_trades, found.status.rejected) == (0, 0, {})
    top = expected["final_top_of_book"]
    figures = [float(top[name]) for name in (*TOP, "bid_levels", "ask_levels")]
    assert found.tops()["BTCUSDT"][1] == figures
    delays = expected["receive_minus_trade_time_ms"]
    (delay,) = found.status.delays
    assert delay.clock_skew_s * 1e3 == pytest.approx(delays["min"], abs=2.0)
    assert (delay.clock_skew_s + delay.p50_s) * 1e3 == pytest.approx(delays["p50"], abs=2.0)
    assert 0 <= delay.p50_s <= delay.p99_s < 0.1
