"""Rows that people bring: which are taken, and what is said of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.errors import ConfigError
from fulltape.imports.convert import as_array
from fulltape.imports.form import KINDS, Checked, Chunk, Form, Instruments, is_optional, pairs
from fulltape.imports.kinds import Kind
from fulltape.records import BARS, COINS, QUOTES, TICKERS, TRADES, Schema
from fulltape.records.columns import Physical

NOW = 1_800_000_000 * SECOND_NS
TRADE = {
    "instrument": "BTC-USD.COINBASE",
    "trade_id": "7",
    "price": "100.5",
    "size": "2",
    "aggressor_side": "BUY",
    "event_time": "2026-01-31T12:00:00.123456789Z",
    "ingest_time": "2026-01-31T12:00:01Z",
}
BAR = {
    "instrument": "AAPL-USD.NASDAQ", "interval": "1d", "start": "2026-01-30T00:00:00Z",
    "open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 0,
}  # fmt: skip
QUOTE = {
    "instrument": "BTC-USD.COINBASE", "bid": 1, "bid_size": 2, "ask": 3, "ask_size": 4,
    "event_time": "2026-01-31T12:00:00Z", "source": "TICKER",
}  # fmt: skip


def check(rows: list[dict[str, Any]], schema: Schema = TRADES, **options: Any) -> tuple[Checked, Instruments]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: as_array([row.get(name) for row in rows]) for name in names}
    form, instruments = Form(schema, NOW, **options), Instruments()
    form.check_names(names)
    return form.check(Chunk(columns, np.arange(1, len(rows) + 1)), instruments), instruments


def rows_of(checked: Checked, instruments: Instruments) -> list[Any]:
    class Codes:
        def id_of(self, code: int) -> str:
            return instruments.ids()[code]

        def code_of(self, instrument_id: str) -> int:
            return instruments.code_of(instrument_id)

    return checked.batch.rows(Codes())


def test_a_trade_is_taken_to_the_nanosecond() -> None:
    checked, instruments = check([TRADE])
    (trade,) = rows_of(checked, instruments)
    assert (trade.instrument, trade.trade_id, trade.price, trade.size) == ("BTC-USD.COINBASE", "7", 100.5, 2.0)
    assert (trade.aggressor_side.name, trade.origin.name) == ("BUY", "IMPORT")
    assert format_rfc3339(trade.event_time) == TRADE["event_time"]
    assert [one.venue for one in instruments.described()] == ["COINBASE"]


def test_what_may_be_left_out_is_filled_in() -> None:
    bare = {name: TRADE[name] for name in ("instrument", "price", "size", "event_time")}
    checked, instruments = check([bare, bare | {"price": "101"}])
    first, second = rows_of(checked, instruments)
    assert (first.aggressor_side.name, first.ingest_time, first.origin.name) == ("UNKNOWN", NOW, "IMPORT")
    assert first.trade_id != second.trade_id
    again, others = check([bare | {"instrument": "ETH-USD.COINBASE"}, bare])
    assert rows_of(again, others)[1].trade_id == first.trade_id  # wherever in a file it stands


def test_whatever_a_file_says_records_are_imported() -> None:
    checked, _ = check([TRADE | {"origin": "LIVE"}])
    assert checked.batch["origin"].tolist() == [4]


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"price": "-1"}, "price", "must be finite and above zero"),
        ({"price": "0"}, "price", "must be finite and above zero"),
        ({"price": "nan"}, "price", "not a number"),
        ({"price": "inf"}, "price", "must be finite and above zero"),
        ({"price": "1,5"}, "price", "not a number"),
        ({"price": ""}, "price", "is missing"),
        ({"price": None}, "price", "is missing"),
        ({"size": "many"}, "size", "not a number"),
        ({"event_time": "0001-01-01T00:00:00Z"}, "event_time", "not a time"),
        ({"event_time": "1969-12-31T23:59:59Z"}, "event_time", "lies before 1970-01-02"),
        ({"event_time": "2027-01-15T09:00:01Z"}, "event_time", "lies more than an hour ahead"),
        ({"event_time": "9999-01-01T00:00:00Z"}, "event_time", "not a time"),
        ({"event_time": "1618677817"}, "event_time", "not a time"),
        ({"event_time": "2026-02-30T00:00:00Z"}, "event_time", "not a time"),
        ({"instrument": "BTC"}, "instrument", "not an instrument such as"),
        ({"instrument": "btc-usd.coinbase"}, "instrument", "not an instrument such as"),
        ({"trade_id": "-1"}, "trade_id", "not an id"),
        ({"trade_id": "9223372036854775808"}, "trade_id", "not an id"),
        ({"trade_id": "abc"}, "trade_id", "not an id"),
        ({"aggressor_side": "buy"}, "aggressor_side", "none of UNKNOWN, BUY, SELL"),
    ],
)
def test_a_bad_value_costs_its_row_and_is_named(change: dict[str, Any], field: str, reason: str) -> None:
    checked, _ = check([TRADE, TRADE | change, TRADE | {"trade_id": "8"}])
    assert checked.batch["trade_id"].tolist() == [7, 8]
    (error,) = checked.errors
    assert (error.row, error.field) == (2, field)
    assert error.reason.startswith(reason)
    assert str(error).startswith(f"row 2: {field}: {reason}")


@pytest.mark.parametrize(
    ("schema", "row", "field"),
    [
        (BARS, BAR | {"low": 10.5}, "open"),
        (BARS, BAR | {"high": 10.5}, "open"),
        (BARS, BAR | {"volume": -1}, "volume"),
        (BARS, BAR | {"trades": -1}, "trades"),
        (BARS, BAR | {"trades": 1.5}, "trades"),
        (BARS, BAR | {"interval": "7x"}, "interval"),
        (QUOTES, QUOTE | {"bid": -1}, "bid"),
        (QUOTES, QUOTE | {"bid": True}, "bid"),
        (QUOTES, QUOTE | {"source": "GUESS"}, "source"),
    ],
)
def test_every_kind_has_its_rules(schema: Schema, row: dict[str, Any], field: str) -> None:
    checked, _ = check([row], schema)
    assert [error.field for error in checked.errors] == [field]


def test_a_side_of_a_quote_may_be_empty_and_a_day_without_volume() -> None:
    assert not check([BAR], BARS)[0].errors
    empty = check([QUOTE | {"bid": None, "bid_size": float("nan")}], QUOTES)[0]
    assert not empty.errors
    assert np.isnan(empty.batch["bid_size"]).all()


@pytest.mark.parametrize(
    ("array", "count"),
    [
        (pa.array([1.5, 2.5]), 2),
        (pa.array([1, 2], pa.int16()), 2),
        (pa.array(["1.5", "2"]).dictionary_encode(), 2),
        (pa.array([b"1.5", b"\xff"]), 1),
        (pa.array([1, 2]).cast(pa.decimal128(22, 3)), 2),
        (pa.array([True, False]), 0),
        (pa.array([[1], [2]]), 0),
        (pa.array(["1.5", "2"], pa.large_string()), 2),
    ],
)
def test_any_type_that_holds_numbers_will_do(array: pa.Array, count: int) -> None:
    columns = {name: pa.array([value] * 2) for name, value in TRADE.items() if name != "trade_id"}
    form = Form(TRADES, NOW)
    assert len(form.check(Chunk(columns | {"price": array}, np.arange(1, 3)), Instruments()).batch) == count


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_timestamp_columns_of_any_unit_and_zone(unit: str, zone: str | None) -> None:
    times = pa.array([1_700_000_000], pa.int64()).cast(pa.timestamp("s", zone)).cast(pa.timestamp(unit, zone))
    columns = {name: pa.array([value]) for name, value in TRADE.items()} | {"event_time": times}
    checked = Form(TRADES, NOW).check(Chunk(columns, np.arange(1, 2)), Instruments())
    assert checked.batch["event_time"].tolist() == [1_700_000_000 * SECOND_NS]


def test_times_with_and_without_zone_may_be_mixed() -> None:
    times = ["2026-01-31T12:00:00Z", "2026-01-31 12:00:00", "2026-01-31T13:00:00+01:00"]
    checked, _ = check([TRADE | {"event_time": time, "trade_id": str(n)} for n, time in enumerate(times)])
    assert len(set(checked.batch["event_time"].tolist())) == 1
    assert len(checked.batch) == 3


@pytest.mark.parametrize(
    ("names", "options", "complaint"),
    [
        (["pirce"], {}, "unknown column 'pirce' (did you mean 'price'?): trades have instrument, "),
        ([*TRADE, "note"], {}, "unknown column 'note'"),
        (["instrument", "size", "event_time"], {}, "no column 'price': trades need it"),
        ([*TRADE, "price"], {}, "a column appears twice"),
        ([*TRADE], {"columns": {"event_tiem": "x"}}, "trades have no field 'event_tiem' (did you mean 'event_time'?)"),
        ([*TRADE], {"columns": {"origin": "from"}}, "no column 'from'"),
        ([*TRADE, "w_tiem"], {"columns": {"event_time": "w_time"}, "ignored": frozenset({"event_time", "w_tiem"})},
         "no column 'w_time' (did you mean 'w_tiem'?)"),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_named(names: list[str], options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Form(TRADES, NOW, **options).check_names(names)
    assert complaint in str(refused.value)


def test_a_row_of_another_system_can_be_expressed() -> None:
    row = {"product": "BTC-USD", "w_time": "2020-11-01 10:00:00.25", "price": 13_800.5}
    checked, instruments = check(
        [row],
        columns={"event_time": "w_time"},
        constants={"instrument": "BTC-USD.COINBASE", "size": "1"},
        ignored=frozenset({"product"}),
    )
    (trade,) = rows_of(checked, instruments)
    assert (trade.instrument, trade.price, trade.size) == ("BTC-USD.COINBASE", 13_800.5, 1.0)


@pytest.mark.parametrize("texts", [["x"], ["=1"], ["a="], ["a=1", "a=2"]])
def test_pairs_that_are_none_are_refused(texts: list[str]) -> None:
    with pytest.raises(ConfigError):
        pairs(texts)
    assert pairs(["a=1=2"]) == {"a": "1=2"}


def test_every_kind_has_a_schema() -> None:
    assert list(KINDS) == list(Kind)
    assert list(KINDS.values()) == [TRADES, QUOTES, BARS, COINS, TICKERS]
    assert not is_optional(TICKERS, TICKERS.column("trade_id"))


texts = st.none() | st.text(max_size=12) | st.integers() | st.floats() | st.booleans() | st.binary(max_size=4)


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(TRADE, texts)), min_size=1, max_size=6))
def test_whatever_comes_becomes_good_rows_or_errors(rows: list[dict[str, Any]]) -> None:
    columns = {name: as_array([row.get(name) for row in rows]) for name in TRADE}
    checked = Form(TRADES, NOW).check(Chunk(columns, np.arange(1, len(rows) + 1)), Instruments())
    assert len(checked.batch) + len(checked.errors) == len(rows)
    prices = checked.batch["price"]
    assert ((prices > 0) & np.isfinite(prices)).all()
    assert all(len(array) == len(checked.batch) for array in checked.batch.columns.values())
    assert {c.physical for c in TRADES.columns} >= {Physical.ID128, Physical.ENUM, Physical.TIME}
