"""CSV files of candles that are kept up to date."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from tests.conformance.samples import BTC, ETH, MINUTE, NOON, candle, commit
from tests.disk import full_disk

from fulltape.clock import SECOND_NS, ManualClock
from fulltape.engine import exports as module
from fulltape.engine.config import Config, ExportsConfig
from fulltape.engine.exports import CsvFiles
from fulltape.errors import ConfigError
from fulltape.records import Candle, Instrument
from fulltape.stores.base import Store
from fulltape.stores.duckdb import DuckDbStore

COLUMNS = ["start_time", "end_time", "symbol", "open", "high", "low", "close", "volume", "trade_count"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        yield store


def files(store: Store, folder: Path, *instruments: Instrument, now: int = NOON + 10 * MINUTE, **more: Any) -> CsvFiles:
    config = ExportsConfig(str(folder), **more)
    return CsvFiles(config, store.reader, lambda: instruments or (BTC, ETH), ManualClock(now))


def minute(number: int, low: float, high: float, **changes: Any) -> Candle:
    prices = {"open": low, "low": low, "high": high, "close": high}
    return candle(NOON + number * MINUTE, trades=number + 1, **prices, **changes)  # type: ignore[arg-type]


def read(folder: Path, minutes: int) -> pd.DataFrame:
    return pd.read_csv(folder / f"{minutes}_min_crypto_data.csv")


def test_a_file_has_the_older_columns_and_utc_times(store: Store, tmp_path: Path) -> None:
    store.commit(commit(1, minute(0, 1.0, 2.0), minute(0, 5.0, 6.0, instrument=ETH.id)))
    files(store, tmp_path / "data").write()
    rows = read(tmp_path / "data", 1)
    assert list(rows.columns) == COLUMNS
    assert (tmp_path / "data" / "1_min_crypto_data.csv").read_text().startswith(",".join(COLUMNS) + "\n2021-04-17 ")
    assert rows.iloc[0].tolist() == [
        "2021-04-17 12:00:00",
        "2021-04-17 12:01:00",
        "BTC-USD",
        1.0,
        2.0,
        1.0,
        2.0,
        3.0,
        1,
    ]
    assert rows["symbol"].tolist() == ["BTC-USD", "ETH-USD"]


def test_the_low_of_several_minutes_is_the_lowest_low(store: Store, tmp_path: Path) -> None:
    """The older processor took the least of the highs."""
    store.commit(commit(1, *(minute(n, 10.0 - n, 20.0 + n) for n in range(5))))
    files(store, tmp_path).write()
    (five,) = read(tmp_path, 5).to_dict("records")
    assert (five["low"], five["high"], five["open"], five["close"]) == (6.0, 24.0, 10.0, 24.0)
    assert (five["volume"], five["trade_count"]) == (15.0, 15)


def test_a_missing_minute_moves_no_window(store: Store, tmp_path: Path) -> None:
    """In the older system a missing bar shortened the window behind it."""
    store.commit(commit(1, *(minute(n, 1.0, 2.0) for n in (0, 1, 2, 4, 5, 6))))
    files(store, tmp_path).write()
    rows = read(tmp_path, 2)
    assert rows["start_time"].str[-5:].tolist() == ["00:00", "02:00", "04:00", "06:00"]
    assert rows["end_time"].str[-5:].tolist() == ["02:00", "04:00", "06:00", "08:00"]
    assert rows["trade_count"].tolist() == [3, 3, 11, 7]


def test_on_a_full_disk_the_files_stay_as_they_were(store: Store, tmp_path: Path) -> None:
    store.commit(commit(1, minute(0, 1.0, 2.0)))
    written = files(store, tmp_path)
    written.write()
    store.commit(commit(2, minute(0, 1.0, 9.0, revision=1)))
    names = sorted(path.name for path in tmp_path.rglob("*.csv*"))
    with full_disk(), pytest.raises(ConfigError, match=r"1_min_crypto_data\.csv: cannot be written: .*File too large"):
        written.write()
    assert sorted(path.name for path in tmp_path.rglob("*.csv*")) == names
    assert read(tmp_path, 1)["high"].tolist() == [2.0]
    written.write()
    assert read(tmp_path, 1)["high"].tolist() == [9.0]


def test_files_of_all_lengths_agree(store: Store, tmp_path: Path) -> None:
    """In the older system one job read the file of another while that wrote it."""
    store.commit(commit(1, *(minute(n, 1.0, 2.0) for n in range(10))))
    files(store, tmp_path).write()
    totals = {length: read(tmp_path, length)["volume"].sum() for length in (1, 2, 5)}
    assert totals == {1: 30.0, 2: 30.0, 5: 30.0}


def test_what_goes_on_is_not_written_yet(store: Store, tmp_path: Path) -> None:
    empty = msgspec.structs.replace(minute(3, 1.0, 1.0), open=None, high=None, low=None, close=None, trades=0)
    store.commit(commit(1, minute(0, 1.0, 2.0), minute(1, 1.0, 2.0, is_final=False), minute(2, 1.0, 2.0), empty))
    files(store, tmp_path, now=NOON + 4 * MINUTE).write()
    assert read(tmp_path, 1)["start_time"].str[-5:].tolist() == ["00:00", "02:00"]
    assert read(tmp_path, 2)["start_time"].str[-5:].tolist() == ["02:00"]
    assert read(tmp_path, 5).empty


def test_a_late_trade_is_in_the_next_file(store: Store, tmp_path: Path) -> None:
    store.commit(commit(1, minute(0, 1.0, 2.0)))
    written = files(store, tmp_path)
    written.write()
    store.commit(commit(2, minute(0, 1.0, 9.0, revision=1)))
    written.write()
    assert read(tmp_path, 1)["high"].tolist() == [9.0]


def test_a_symbol_of_two_venues_is_told_apart_by_id(store: Store, tmp_path: Path) -> None:
    store.commit(commit(1, minute(0, 1.0, 2.0), minute(0, 5.0, 6.0, instrument=ETH.id)))
    files(store, tmp_path, BTC, msgspec.structs.replace(ETH, venue_symbol=BTC.venue_symbol)).write()
    assert read(tmp_path, 1)["symbol"].tolist() == [BTC.id, ETH.id]


def test_old_rows_leave_the_file(store: Store, tmp_path: Path) -> None:
    store.commit(commit(1, minute(0, 1.0, 2.0)))
    files(store, tmp_path, now=NOON + 2 * 86_400 * SECOND_NS, csv_days=1.0).write()
    assert read(tmp_path, 1).empty


def test_it_is_written_when_a_minute_has_settled(store: Store, tmp_path: Path) -> None:
    assert files(store, tmp_path, now=NOON).wait_ns() == 10 * SECOND_NS
    assert files(store, tmp_path, now=NOON + 10 * SECOND_NS).wait_ns() == MINUTE
    assert files(store, tmp_path, now=NOON + 59 * SECOND_NS).wait_ns() == 11 * SECOND_NS


async def test_a_folder_that_cannot_be_written_is_told_and_tried_again(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").write_text("a file")
    monkeypatch.setattr(module, "_MINUTE_NS", 1)
    keeping = asyncio.create_task(files(store, tmp_path / "data").keep())
    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(120):
            while "CSV files" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.005)
            (tmp_path / "data").unlink()
            while not (tmp_path / "data" / "5_min_crypto_data.csv").exists():  # noqa: ASYNC110 - nor has a file
                await asyncio.sleep(0.005)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


def test_files_need_candles_of_a_minute() -> None:
    with pytest.raises(ConfigError, match="candles of 1m"):
        Config.parse('[exports]\ncsv_dir = "data"\n[candles]\nintervals = ["1s"]')
    with pytest.raises(ConfigError, match="csv_minutes"):
        Config.parse("[exports]\ncsv_minutes = [0]")
