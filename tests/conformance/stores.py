"""What every store does, in numbered cases. A backend's test subclasses `StoreConformance`.

The subclass gives a fixture ``open_store``: a function that opens the test's one database, for live prices unless
``simulated`` says otherwise. A case closes the store before it opens it again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import pytest
from tests.conformance.samples import (
    BTC,
    CODES,
    ETH,
    INSTRUMENTS,
    MINUTE,
    NOON,
    UUID,
    bar,
    candle,
    commit,
    coverage,
    dead_letter,
    every_kind,
    last,
    many_trades,
    quote,
    trade,
)

from fulltape.errors import ConfigError, FatalError
from fulltape.records import BARS, CANDLES, COVERAGE, LAST_VALUES, QUOTES, STORED, TRADES, Commit, Schema, Trade
from fulltape.records.batch import split_id
from fulltape.stores.base import Cursor, Reader, Retention, Selection, SqlLimits, Store

DAY = 86_400 * 10**9


class OpenStore(Protocol):
    """Opens the test's database."""

    def __call__(self, *, simulated: bool | None = False) -> Store: ...


def rows_of(store: Store, schema: Schema, **selection: Any) -> list[Any]:
    """Return the rows that a selection finds, as records."""
    reader = store.reader()
    found = reader.read(Selection(schema, **selection)).rows(CODES)
    reader.close()
    return found


def ids(trades: Iterable[Trade]) -> list[str]:
    """Return the ids of trades."""
    return [row.trade_id for row in trades]


class StoreConformance:
    """Cases T-01 to T-30."""

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterable[Store]:
        with open_store() as store:
            yield store

    def test_t01_a_new_store_is_empty(self, store: Store) -> None:
        restored = store.restore()
        assert (restored.commit, restored.clock, len(restored.instruments)) == (0, 0, 0)
        assert restored.snapshots == {}
        reader = store.reader()
        assert reader.last_commit() == (0, 0)
        assert reader.table_sizes() == {schema.name: 0 for schema in STORED}
        assert all(len(reader.read(Selection(schema))) == 0 for schema in STORED)

    def test_t02_every_kind_comes_back_exactly(self, open_store: OpenStore) -> None:
        rows = every_kind()
        with open_store() as store:
            store.commit(commit(1, *rows))
        with open_store() as store:
            for schema in STORED:
                expected = [row for row in rows if isinstance(row, schema.record)]
                assert expected, f"no sample of {schema.name}"
                assert _sorted(rows_of(store, schema)) == _sorted(expected)

    def test_t03_a_reopened_store_goes_on_where_it_ended(self, open_store: OpenStore) -> None:
        with open_store() as store:
            store.commit(commit(1, trade(1), snapshots={"candles": {0: b"old", -1: b"all"}, "last": {1: b""}}))
            store.commit(commit(2, trade(2), snapshots={"candles": {0: b"\x00new"}}))
        with open_store(simulated=None) as store:
            restored = store.restore()
            assert (restored.commit, restored.clock) == (2, NOON + 2)
            assert list(restored.instruments) == [BTC, ETH]
            assert restored.snapshots == {"candles": {0: b"\x00new", -1: b"all"}, "last": {1: b""}}
            store.commit(commit(3, trade(3)))
            assert ids(rows_of(store, TRADES)) == ["1", "2", "3"]

    def test_t04_a_commit_twice_is_a_commit_once(self, open_store: OpenStore) -> None:
        with open_store() as store:
            store.commit(commit(1, trade(1)))
            store.commit(commit(1, trade(1)))
        with open_store() as store:
            store.commit(commit(1, trade(1)))
            assert ids(rows_of(store, TRADES)) == ["1"]

    def test_t05_a_commit_that_does_not_follow_is_fatal_and_leaves_nothing(self, store: Store) -> None:
        store.commit(commit(1, trade(1)))
        with pytest.raises(FatalError, match="3 does not follow 1"):
            store.commit(commit(3, trade(3)))
        assert ids(rows_of(store, TRADES)) == ["1"]
        store.commit(commit(2, trade(2)))
        assert store.reader().last_commit() == (2, NOON + 2)

    def test_t06_ranges_are_half_open(self, store: Store) -> None:
        store.commit(commit(1, *[trade(i, NOON + i) for i in range(5)]))
        assert ids(rows_of(store, TRADES, start=NOON + 1, end=NOON + 3)) == ["1", "2"]
        assert ids(rows_of(store, TRADES, start=NOON + 3)) == ["3", "4"]
        assert rows_of(store, TRADES, start=NOON + 2, end=NOON + 2) == []
        assert len(rows_of(store, TRADES, start=-(2**63) + 1, end=2**63 - 1)) == 5

    def test_t07_rows_come_by_time_then_id_whichever_way_round(self, store: Store) -> None:
        store.commit(commit(1, trade(10, NOON + 2), trade(9, NOON + 2)))
        store.commit(commit(2, trade(30, NOON + 1), trade(8, NOON + 2)))
        assert ids(rows_of(store, TRADES)) == ["30", "8", "9", "10"]
        assert ids(rows_of(store, TRADES, newest_first=True)) == ["10", "9", "8", "30"]
        assert ids(rows_of(store, TRADES, newest_first=True, limit=2)) == ["10", "9"]
        assert rows_of(store, TRADES, limit=0) == []

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_t08_pages_by_cursor_hold_every_row_once(self, store: Store, newest_first: bool) -> None:
        rows = [trade(i, NOON + i // 3) for i in range(10)] + [trade(UUID, NOON + 1)]
        store.commit(commit(1, *rows))
        paged: list[Trade] = []
        after = None
        while page := rows_of(store, TRADES, after=after, newest_first=newest_first, limit=2):
            paged += page
            after = Cursor(page[-1].event_time, *split_id(page[-1].trade_id))
        assert paged == rows_of(store, TRADES, newest_first=newest_first)
        assert sorted(ids(paged)) == sorted(ids(rows))

    def test_t09_a_cursor_without_an_id_is_behind_its_whole_time(self, store: Store) -> None:
        store.commit(commit(1, *[quote(NOON + i // 2, bid=float(i)) for i in range(6)]))
        assert [row.bid for row in rows_of(store, QUOTES)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        assert [row.bid for row in rows_of(store, QUOTES, after=Cursor(NOON + 1))] == [4.0, 5.0]
        assert [row.bid for row in rows_of(store, QUOTES, after=Cursor(NOON + 1), newest_first=True)] == [1.0, 0.0]

    def test_t10_rows_are_selected_by_instrument_and_interval(self, store: Store) -> None:
        store.commit(commit(1, candle(), candle(interval="1s"), candle(instrument=ETH.id), trade(1)))
        assert rows_of(store, CANDLES, instruments=(1,)) == [candle(instrument=ETH.id)]
        assert rows_of(store, CANDLES, instruments=(0,), interval_s=1) == [candle(interval="1s")]
        assert len(rows_of(store, CANDLES, instruments=(0, 1), interval_s=60)) == 2
        assert rows_of(store, TRADES, instruments=(5,)) == []

    def test_t11_a_row_of_a_latest_kind_replaces_the_one_with_its_key(self, store: Store) -> None:
        store.commit(commit(1, last(price=1.0), last(instrument=ETH.id), coverage(), bar(), bar(NOON + MINUTE)))
        store.commit(commit(2, last(price=2.0), coverage(end=NOON + 9), bar(close=9.0)))
        assert rows_of(store, LAST_VALUES) == [last(price=2.0), last(instrument=ETH.id)]
        assert rows_of(store, COVERAGE) == [coverage(end=NOON + 9)]
        assert rows_of(store, BARS) == [bar(close=9.0), bar(NOON + MINUTE)]

    def test_t12_of_one_key_in_a_batch_the_last_row_counts(self, store: Store) -> None:
        store.commit(commit(1, last(price=1.0), last(instrument=ETH.id), last(price=3.0), last(price=2.0)))
        store.commit(commit(2, candle(is_final=False), candle(), coverage(), coverage(first_missing="4"), coverage()))
        assert [row.price for row in rows_of(store, LAST_VALUES, instruments=(0,))] == [2.0]
        assert rows_of(store, CANDLES) == [candle()]
        assert rows_of(store, COVERAGE) == [coverage(), coverage(first_missing="4")]

    def test_t13_a_candle_grows_becomes_final_and_is_revised(self, store: Store) -> None:
        states = [
            candle(is_final=False, trades=1),
            candle(is_final=False, trades=2),
            candle(trades=3),
            candle(trades=4, revision=1),
            candle(trades=5, revision=2, is_final=False),
            candle(trades=6, revision=2),
        ]
        for number, state in enumerate(states, 1):
            store.commit(commit(number, state, candle(NOON + number * MINUTE)))
            assert rows_of(store, CANDLES, end=NOON + 1) == [state]
        assert len(rows_of(store, CANDLES)) == 1 + len(states)

    def test_t14_a_late_candle_of_an_old_window_is_kept_once(self, open_store: OpenStore) -> None:
        with open_store() as store:
            store.commit(commit(1, candle(NOON + 5 * MINUTE)))
            store.commit(commit(2, candle(NOON, trades=1)))
        with open_store() as store:
            store.commit(commit(3, candle(NOON, trades=2, revision=1)))
            assert rows_of(store, CANDLES) == [candle(NOON, trades=2, revision=1), candle(NOON + 5 * MINUTE)]

    def test_t15_after_a_commit_come_the_rows_that_later_ones_wrote_or_changed(self, store: Store) -> None:
        store.commit(commit(1, trade(1), candle(), candle(NOON + MINUTE, is_final=False)))
        store.commit(commit(2, trade(2)))
        store.commit(commit(3, trade(3), candle(NOON + MINUTE)))
        assert ids(rows_of(store, TRADES, after_commit=1)) == ["2", "3"]
        assert rows_of(store, CANDLES, after_commit=1) == [candle(NOON + MINUTE)]
        assert rows_of(store, TRADES, after_commit=3) == []

    def test_t16_rows_of_an_unknown_instrument_are_fatal_and_leave_nothing(self, store: Store) -> None:
        nameless = Commit(1, NOON, commit(1, trade(1), candle()).batches)
        with pytest.raises(FatalError, match="instrument"):
            store.commit(nameless)
        assert rows_of(store, TRADES) == []
        store.commit(commit(1, trade(1)))
        assert ids(rows_of(store, TRADES)) == ["1"]

    def test_t17_an_instrument_can_change_but_keeps_its_code(self, open_store: OpenStore) -> None:
        with open_store() as store:
            store.commit(commit(1, trade(1)))
            offline = msgspec.structs.replace(BTC, status="offline")
            store.commit(Commit(2, NOON, {}, instruments={0: offline}))
            assert list(store.restore().instruments) == [offline, ETH]

    def test_t18_a_pinned_reader_keeps_to_one_state(self, store: Store) -> None:
        store.commit(commit(1, trade(1)))
        reader = store.reader()
        with reader.pinned():
            store.commit(commit(2, trade(2)))
            assert reader.last_commit()[0] == 1
            assert len(reader.read(Selection(TRADES))) == 1
            with reader.pinned():
                assert reader.sql("SELECT count(*) AS n FROM trades").to_pylist() == [{"n": 1}]
            assert reader.table_sizes()["trades"] == 1
        assert reader.last_commit()[0] == 2
        assert len(reader.read(Selection(TRADES))) == 2

    def test_t19_readers_in_other_threads_see_whole_commits_only(self, store: Store) -> None:
        size = 50
        store.commit(Commit(1, NOON, {"trades": many_trades(0, size)}, {}, INSTRUMENTS))
        done = threading.Event()
        seen: list[int] = []
        broken: list[int] = []

        def read() -> None:
            reader = store.reader()
            is_last = False
            while not is_last:
                is_last = done.is_set()
                count = len(reader.read(Selection(TRADES)))
                seen.append(count)
                if count % size:
                    broken.append(count)
            reader.close()

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(2, 31):
            store.commit(Commit(number, NOON, {"trades": many_trades(number * size, size)}))
        done.set()
        for thread in threads:
            thread.join()
        assert broken == []
        assert seen

    def test_t20_sql_shows_readable_values(self, store: Store) -> None:
        store.commit(commit(1, trade(UUID), candle(is_final=False), coverage(), last()))
        reader = store.reader()
        assert _one(reader, "SELECT instrument, trade_id, aggressor_side, origin FROM trades") == {
            "instrument": BTC.id, "trade_id": UUID, "aggressor_side": "BUY", "origin": "LIVE",
        }  # fmt: skip
        assert _one(reader, "SELECT interval, reason, is_final FROM candles WHERE interval = '1m'") == {
            "interval": "1m", "reason": "NONE", "is_final": False,
        }  # fmt: skip
        assert _one(reader, 'SELECT "end" = (SELECT max(start) FROM candles) AS ended FROM coverage') == {
            "ended": False
        }
        assert reader.sql("SELECT id, status FROM instruments ORDER BY id").to_pylist() == [
            {"id": BTC.id, "status": "online"},
            {"id": ETH.id, "status": "offline"},
        ]

    @pytest.mark.parametrize(
        "query",
        [
            "DELETE FROM trades",
            "DROP VIEW trades",
            "CREATE TABLE x AS SELECT 1",
            "CREATE TEMP TABLE x AS SELECT 1",
            "WITH gone AS (DELETE FROM trades RETURNING *) SELECT * FROM gone",
            "SELECT * FROM query('DELETE FROM trades')",
            "SELECT 1; SELECT 2",
            "",
            "SELEC 1",
            "SELECT nothing FROM trades",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM read_text('/etc/passwd')",
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM glob('/*')",
            "COPY trades TO 'stolen.csv'",
            "ATTACH 'other.db'",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET threads = 1",
            "PRAGMA version",
            "EXPORT DATABASE 'stolen'",
            "CHECKPOINT",
            "BEGIN",
            "COMMIT",
        ],
    )
    def test_t21_sql_reads_and_does_nothing_else(self, store: Store, query: str) -> None:
        store.commit(commit(1, trade(1)))
        reader = store.reader()
        with pytest.raises(ConfigError):
            reader.sql(query)
        assert reader.sql("SELECT count(*) AS n FROM trades").to_pylist() == [{"n": 1}]
        store.commit(commit(2, trade(2)))

    def test_t22_sql_stops_at_its_limits(self, store: Store) -> None:
        store.commit(commit(1, *[trade(i) for i in range(4)]))
        reader = store.reader()
        assert reader.sql("SELECT * FROM trades", SqlLimits(max_rows=4)).num_rows == 4
        with pytest.raises(ConfigError, match="more than 3 rows"):
            reader.sql("SELECT * FROM trades", SqlLimits(max_rows=3))
        endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7"
        with pytest.raises(ConfigError, match=r"more than 0\.05 s"):
            reader.sql(endless, SqlLimits(timeout_s=0.05))
        assert reader.sql("SELECT 1 AS x").to_pylist() == [{"x": 1}]

    @pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
    def test_t23_a_table_or_query_is_exported_whole(self, store: Store, tmp_path: Path, suffix: str) -> None:
        store.commit(commit(1, *[trade(i) for i in range(3)], dead_letter()))
        reader = store.reader()
        path = tmp_path / f"out{suffix}"
        assert reader.export("trades", path) == 3
        assert _load(path).num_rows == 3
        assert reader.export("SELECT price FROM trades WHERE trade_id = '2'", path) == 1
        assert _load(path).column_names == ["price"]
        assert reader.export("dead_letters", path) == 1
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith(("out", ".out"))] == [path.name]

    def test_t24_an_export_that_fails_leaves_what_was_there(self, store: Store, tmp_path: Path) -> None:
        store.commit(commit(1, trade(1)))
        reader = store.reader()
        path = tmp_path / "out.csv"
        path.write_text("mine")
        refused = [
            "SELECT CAST(instrument AS BIGINT) FROM trades",
            "SELECT CASE WHEN i = 350000 THEN error('late') ELSE i END AS x FROM range(400000) AS t(i)",
            "SELECT [1, 2] AS no_column_of_csv",
            "DROP VIEW trades",
            "nothing",
        ]
        for query in refused:
            with pytest.raises(ConfigError):
                reader.export(query, path)
        assert path.read_text() == "mine"
        assert not list(tmp_path.glob(".out*"))
        with pytest.raises(ConfigError, match=r"\.csv, \.parquet, \.arrow"):
            reader.export("trades", tmp_path / "out.xlsx")
        with pytest.raises(ConfigError, match="cannot be written"):
            reader.export("trades", tmp_path / "missing" / "out.csv")
        assert reader.sql("SELECT count(*) AS n FROM trades").to_pylist() == [{"n": 1}]

    def test_t25_retention_deletes_what_is_older(self, store: Store) -> None:
        old, new = NOON - 2 * DAY, NOON - DAY // 2
        store.commit(
            commit(
                1, trade(1, old), trade(2, NOON - DAY), trade(3, new), quote(old),
                candle(old, "1s"), candle(new, "1s"), candle(old, "1m"), candle(old - 9 * DAY, "1h"),
                coverage(old), coverage(old - DAY, old), coverage(old, new, channel="tickers"),
            )
        )  # fmt: skip
        kept = Retention({"trades": 1, "candles.1s": 1.0, "candles": 9.5, "coverage": 1})
        assert store.retain(kept, NOON) == {"trades": 1, "candles": 2, "coverage": 1}
        assert ids(rows_of(store, TRADES)) == ["2", "3"]
        assert [(row.interval, row.start) for row in rows_of(store, CANDLES)] == [("1m", old), ("1s", new)]
        assert len(rows_of(store, QUOTES)) == 1
        assert {row.end for row in rows_of(store, COVERAGE)} == {None, new}
        store.commit(commit(2, candle(old, "1s")))
        assert len(rows_of(store, CANDLES, interval_s=1)) == 2

    @pytest.mark.parametrize(
        ("name", "days", "message"),
        [
            ("trade", 1, "did you mean 'trades'"),
            ("candles.1x", 1, "unknown interval"),
            ("trades.1m", 1, "no intervals"),
            ("trades", 0, "positive"),
            ("trades", float("nan"), "positive"),
        ],
    )
    def test_t26_retention_that_makes_no_sense_is_refused(
        self, store: Store, name: str, days: float, message: str
    ) -> None:
        store.commit(commit(1, trade(1, 0)))
        with pytest.raises(ConfigError, match=message):
            store.retain(Retention({"quotes": 1, name: days}), NOON)
        assert ids(rows_of(store, TRADES)) == ["1"]

    @pytest.mark.parametrize("simulated", [False, True])
    def test_t27_simulated_and_live_prices_never_mix(self, open_store: OpenStore, simulated: bool) -> None:
        with open_store(simulated=simulated) as store:
            assert store.identity.simulated is simulated
        with pytest.raises(ConfigError, match=r"holds (live|simulated) prices"):
            open_store(simulated=not simulated)
        with open_store(simulated=None) as store:
            assert store.identity.simulated is simulated

    def test_t28_closing_ends_readers_in_the_middle_of_a_query(self, open_store: OpenStore) -> None:
        store = open_store()
        busy, idle = store.reader(), store.reader()
        begun = threading.Event()
        answers: list[str] = []

        def run() -> None:
            begun.set()
            try:
                busy.sql("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7")
            except ConfigError as error:
                answers.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        begun.wait()
        store.close()
        thread.join()
        assert len(answers) == 1
        busy.close()
        idle.close()
        store.close()
        open_store().close()

    def test_t29_what_a_range_of_commits_wrote_comes_in_their_order(self, store: Store) -> None:
        store.commit(commit(1, trade(9, NOON + 9), candle(NOON), coverage(NOON)))
        store.commit(commit(2, trade(2, NOON + 2), trade(1, NOON + 1)))
        store.commit(commit(3, trade(3, NOON), candle(NOON, high=9.0, is_final=False), candle(NOON + MINUTE)))
        reader = store.reader()
        batch, numbers = reader.written(TRADES, 0, 2)
        assert (ids(batch.rows(CODES)), numbers.tolist()) == (["9", "2", "1"], [1, 2, 2])
        batch, numbers = reader.written(TRADES, 2, 9)
        assert (ids(batch.rows(CODES)), numbers.tolist()) == (["3"], [3])
        assert len(reader.written(CANDLES, 0, 2)[0]) == 0  # replaced since
        batch, numbers = reader.written(CANDLES, 2, 3)
        assert (batch["start"].tolist(), numbers.tolist()) == ([NOON, NOON + MINUTE], [3, 3])
        assert reader.written(COVERAGE, 0, 1)[1].tolist() == [1]
        reader.close()

    def test_t30_a_database_keeps_its_id(self, open_store: OpenStore) -> None:
        with open_store() as store:
            own = store.identity.id
        assert len(own) == 36
        with open_store() as store:
            assert store.identity.id == own


def _sorted(rows: Iterable[Any]) -> list[Any]:
    return sorted(rows, key=repr)


def _one(reader: Reader, query: str) -> dict[str, Any]:
    (row,) = reader.sql(query).to_pylist()
    return dict(row)


def _load(path: Path) -> pa.Table:
    if path.suffix == ".csv":
        return pa.csv.read_csv(path)
    if path.suffix == ".parquet":
        return pa.parquet.read_table(path)
    with pa.ipc.open_file(path) as file:
        return file.read_all()
