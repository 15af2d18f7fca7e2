"""Batches: rows, columns and Arrow hold the same."""

from __future__ import annotations

import math
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.samples import BTC, CODES, every_kind, quote, trade
from tests.records.rows import KINDS, records

from fulltape.records import QUOTES, TRADES, Batch, Schema
from fulltape.records.batch import join_id, split_id
from fulltape.records.columns import NULL_INT

kinds = pytest.mark.parametrize("schema", KINDS, ids=lambda schema: schema.name)


@kinds
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_rows_to_columns_to_arrow_and_back(schema: Schema, data: st.DataObject) -> None:
    rows = data.draw(records(schema))
    batch = schema.from_rows(rows, CODES)
    table = batch.to_arrow()
    assert batch.rows(CODES) == rows
    assert table.schema == schema.arrow
    assert schema.from_arrow(table).rows(CODES) == rows
    assert schema.from_columns({name: array.tolist() for name, array in batch.columns.items()}).rows(CODES) == rows


@kinds
def test_an_empty_batch_has_every_column(schema: Schema) -> None:
    empty = schema.empty()
    assert len(empty) == 0
    assert empty.rows(CODES) == []
    assert schema.from_arrow(empty.to_arrow()).columns.keys() == empty.columns.keys()
    assert [column.name for column in schema.columns] == list(schema.record.__struct_fields__)


@kinds
def test_key_and_time_name_columns(schema: Schema) -> None:
    assert all(schema.column(name).name == name for name in (*schema.key, schema.time))


def test_an_unknown_column_is_none() -> None:
    with pytest.raises(KeyError):
        TRADES.column("colour")


def test_every_sample_is_of_a_stored_kind() -> None:
    assert {type(row) for row in every_kind()} <= {schema.record for schema in KINDS}


def test_null_is_null_in_arrow() -> None:
    table = QUOTES.from_rows([quote(bid=None), quote()], CODES).to_arrow()
    assert table["bid"].to_pylist() == [None, 99.0]
    assert table["bid"].null_count == 1


def test_numbers_go_to_arrow_without_a_copy() -> None:
    batch = TRADES.from_rows([trade(1), trade(2)], CODES)
    buffer = batch.to_arrow()["price"].chunk(0).buffers()[1]
    assert buffer.address == batch["price"].ctypes.data


def test_chunks_of_arrow_are_joined() -> None:
    batch = TRADES.from_rows([trade(1), trade("8b6c1c0e-9f3a-4b5c-8d1e-2f3a4b5c6d7e")], CODES)
    table = pa.concat_tables([batch.to_arrow(), batch.to_arrow()])
    assert TRADES.from_arrow(table).rows(CODES) == batch.rows(CODES) * 2


def test_take_and_concat_keep_order() -> None:
    batch = TRADES.from_rows([trade(i) for i in range(5)], CODES)
    picked = [batch.take(np.array([3, 1])), batch.take(slice(0, 1)), batch.take(batch["trade_id"] > 3)]
    assert Batch.concat(picked)["trade_id"].tolist() == [3, 1, 0, 4]
    assert Batch.concat([batch]) is batch
    assert np.shares_memory(batch.take(slice(1, 3))["price"], batch["price"])
    assert repr(batch) == "<Batch of 5 trades>"


def test_an_instrument_that_is_not_known_has_no_code() -> None:
    with pytest.raises(KeyError):
        TRADES.from_rows([trade(1, instrument="DOGE-USD.COINBASE")], CODES)


@given(st.uuids(version=4))
def test_an_id_of_128_bits_comes_back(value: uuid.UUID) -> None:
    low, high = split_id(str(value))
    assert join_id(low, high) == str(value)
    assert all(NULL_INT <= half < 2**63 for half in (low, high))


@given(st.integers(0, 2**63 - 1))
def test_a_decimal_id_has_no_upper_half(value: int) -> None:
    assert split_id(str(value)) == (value, 0)
    assert join_id(value, 0) == str(value)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "9223372036854775808", "٣", "8b6c1c0e", "0" * 8 + "-" * 28])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        split_id(text)


def test_a_null_of_a_column_that_has_none_is_nan() -> None:
    row: Any = trade(1, price=None)
    (back,) = TRADES.from_rows([row], CODES).rows(CODES)
    assert math.isnan(back.price)
    assert back.instrument == BTC.id
