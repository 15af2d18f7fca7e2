"""JSON: what goes out comes back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.samples import CODES, NOON, UUID, candle, dead_letter, trade
from tests.records.rows import KINDS, records

from fulltape.records import CANDLES, DEAD_LETTERS, TRADES, EmptyReason, Schema
from fulltape.records.codec import decode_rows, encode, encode_rows, wire_type

kinds = pytest.mark.parametrize("schema", KINDS, ids=lambda schema: schema.name)


@kinds
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_round_trip(schema: Schema, data: st.DataObject) -> None:
    rows = data.draw(records(schema))
    batch = schema.from_rows(rows, CODES)
    text = encode(batch, CODES)
    assert decode_rows(schema, text, CODES).rows(CODES) == rows
    assert json.loads(text) == [json.loads(row) for row in encode_rows(batch, CODES)]


@kinds
def test_the_wire_type_has_the_fields_and_the_words_of_the_record(schema: Schema) -> None:
    kind = wire_type(schema)
    assert kind.__struct_fields__ == schema.record.__struct_fields__
    assert kind.__doc__ == schema.record.__doc__
    assert wire_type(schema) is kind
    assert msgspec.json.schema(kind)["$defs"][schema.record.__name__]["required"]


def test_times_have_nine_digits_ids_are_text_enums_are_names() -> None:
    (row,) = json.loads(encode(TRADES.from_rows([trade(UUID, NOON + 1)], CODES), CODES))
    assert row["event_time"] == "2021-04-17T12:00:00.000000001Z"
    assert (row["trade_id"], row["aggressor_side"], row["origin"]) == (UUID, "BUY", "LIVE")


def test_what_is_not_there_is_null() -> None:
    empty = candle(open=None, vwap=None, trades=0, reason=EmptyReason.GAP)
    (row,) = json.loads(encode(CANDLES.from_rows([empty], CODES), CODES))
    assert (row["open"], row["vwap"], row["close"], row["interval"]) == (None, None, 2.0, "1m")


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    text = encode(DEAD_LETTERS.from_rows([dead_letter(raw=b"\xff{")], CODES), CODES)
    (back,) = decode_rows(DEAD_LETTERS, text, CODES).rows(CODES)
    assert back.raw == "\ufffd{".encode()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("price", "dear", "Expected `float | null`"),
        ("event_time", "yesterday", "not an RFC 3339 time"),
        ("event_time", "0001-01-01T00:00:00Z", "64 bits"),
        ("event_time", "2021-13-01T00:00:00Z", "month must be"),
        ("trade_id", "x", "not a trade id"),
        ("instrument", "DOGE-USD.COINBASE", "unknown instrument"),
        ("aggressor_side", "UPWARDS", "Invalid enum value"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any, why: str) -> None:
    rows = json.loads(encode(TRADES.from_rows([trade(1), trade(2)], CODES), CODES))
    rows[1][field] = value
    with pytest.raises(msgspec.ValidationError, match=rf"{why}.* - at `\$\[(1|\.\.\.)\]\.{field}`"):
        decode_rows(TRADES, json.dumps(rows).encode(), CODES)


@pytest.mark.parametrize(("field", "value"), [("trades", 2**64), ("interval", "1y"), ("start", None)])
def test_a_value_that_has_no_place_is_refused(field: str, value: Any) -> None:
    rows = json.loads(encode(CANDLES.from_rows([candle()], CODES), CODES))
    rows[0][field] = value
    with pytest.raises(msgspec.ValidationError, match=field):
        decode_rows(CANDLES, json.dumps(rows).encode(), CODES)
