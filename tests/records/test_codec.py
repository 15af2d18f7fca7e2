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

from fulltape.clock import parse_rfc3339
from fulltape.records import CANDLES, DEAD_LETTERS, TRADES, EmptyReason, Schema
from fulltape.records.codec import encode, encode_rows, wire_type
from fulltape.records.columns import Column, Physical

kinds = pytest.mark.parametrize("schema", KINDS, ids=lambda schema: schema.name)


def read(schema: Schema, text: bytes) -> list[msgspec.Struct]:
    """Return the records of a JSON array, as the wire type says that they look."""
    rows: list[msgspec.Struct] = msgspec.json.decode(text, type=list[wire_type(schema)])  # type: ignore[misc]
    return [schema.record(*(value(column, getattr(row, column.name)) for column in schema.columns)) for row in rows]


def value(column: Column, told: Any) -> Any:
    """Return what a record has where the wire has ``told``."""
    if told is None:
        return None
    if column.choices is not None:
        return column.choices[told]
    if column.physical is Physical.TIME:
        return parse_rfc3339(told)
    return told.encode() if column.physical is Physical.BYTES else told


@kinds
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_round_trip(schema: Schema, data: st.DataObject) -> None:
    rows = data.draw(records(schema))
    batch = schema.from_rows(rows, CODES)
    text = encode(batch, CODES)
    assert read(schema, text) == rows
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
    (back,) = json.loads(text)
    assert back["raw"] == "\ufffd{"
