"""Batches as tables that people can read."""

from __future__ import annotations

import uuid

import msgspec
import pyarrow as pa
import pytest
from tests.conformance.samples import INSTRUMENTS, NOON, batches, every_kind, trade

from fulltape.clock import format_rfc3339
from fulltape.records import InstrumentTable
from fulltape.records.codec import to_dicts
from fulltape.records.readable import to_table

TABLE = InstrumentTable(INSTRUMENTS[code] for code in sorted(INSTRUMENTS))


def as_on_the_wire(table: pa.Table) -> list[dict[str, object]]:
    """Return a table's rows as JSON has them."""
    values: dict[str, list[object]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            counts = column.cast(pa.int64()).to_pylist()
            values[name] = [None if count is None else format_rfc3339(count) for count in counts]
        elif pa.types.is_binary(column.type):
            values[name] = [value.decode("utf-8", "replace") for value in column.to_pylist()]
        else:
            values[name] = column.to_pylist()
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


@pytest.mark.parametrize("row", every_kind(), ids=lambda row: type(row).__name__)
def test_a_table_says_what_the_wire_says(row: msgspec.Struct) -> None:
    (batch,) = batches([row]).values()
    assert as_on_the_wire(to_table(batch, TABLE)) == to_dicts(batch, TABLE)


def test_times_keep_their_nanoseconds() -> None:
    (batch,) = batches([trade(event_time=NOON + 1)]).values()
    assert to_table(batch, TABLE)["event_time"].cast(pa.int64()).to_pylist() == [NOON + 1]


def test_ids_of_128_bits_are_text_like_all_others() -> None:
    long = str(uuid.UUID(int=2**127 + 5))
    (batch,) = batches([trade(7), trade(long)]).values()
    assert to_table(batch, TABLE)["trade_id"].to_pylist() == ["7", long]


def test_no_rows_have_the_same_columns() -> None:
    (batch,) = batches([trade()]).values()
    empty = to_table(batch.take(slice(0, 0)), TABLE)
    assert empty.schema == to_table(batch, TABLE).schema
    assert empty.num_rows == 0
