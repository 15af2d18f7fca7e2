"""Random records of every kind."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from tests.conformance.samples import BTC, CODES, ETH

from fulltape.records import BOOK_DELTAS, HEARTBEATS, STORED, Schema
from fulltape.records.columns import NULL_INT, Column, Physical

KINDS = (*STORED, BOOK_DELTAS, HEARTBEATS)
INTERVALS = ("1s", "7s", "90s", "1m", "4h", "1d", "1w", "366d")

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_int64 = st.integers(NULL_INT + 1, -NULL_INT - 1)
_VALUES: dict[Physical, st.SearchStrategy[Any]] = {
    Physical.INSTRUMENT: st.sampled_from([BTC.id, ETH.id]),
    Physical.TIME: _int64,
    Physical.INTERVAL: st.sampled_from(INTERVALS),
    Physical.ID128: st.one_of(st.integers(0, 2**63 - 1), st.uuids(version=4)).map(str),
    Physical.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    Physical.INT: _int64,
    Physical.BOOL: st.booleans(),
    Physical.TEXT: _text,
    Physical.BYTES: _text.map(str.encode),
}


def values(column: Column) -> st.SearchStrategy[Any]:
    """Return any value that a column may have."""
    some = st.sampled_from(column.choices) if column.choices else _VALUES[column.physical]
    return st.none() | some if column.nullable else some


def records(schema: Schema) -> st.SearchStrategy[list[msgspec.Struct]]:
    """Return any few records of a kind."""
    return st.lists(st.builds(schema.record, *(values(column) for column in schema.columns)), max_size=4)


__all__ = ["CODES", "KINDS", "records", "values"]
