"""Batches as Arrow tables that people can read: instruments, ids, enums and intervals as text, times in UTC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa

from fulltape.records.batch import Array, Batch, InstrumentCodes, join_id
from fulltape.records.columns import NULL_INT, Column, Physical, high
from fulltape.records.interval import format_interval

_SIMULATED: Final = b"fulltape.simulated"
"""The mark of made-up prices in the metadata of Arrow and Parquet; docs/client.md promises it."""


def marked(schema: pa.Schema, *, simulated: bool) -> pa.Schema:
    """Return a schema that says of its rows, in a file too, whether their prices are made up."""
    return schema.with_metadata({**(schema.metadata or {}), _SIMULATED: b"1"}) if simulated else schema


def is_marked(schema: pa.Schema) -> bool:
    """Return whether the prices are said to be made up."""
    return (schema.metadata or {}).get(_SIMULATED) == b"1"


def to_table(batch: Batch, codes: InstrumentCodes) -> pa.Table:
    """Return the records with one column a field, in the field's order; what is unknown is null."""
    columns = {column.name: _readable(batch, column, codes) for column in batch.schema.columns}
    return pa.table(columns)


def _readable(batch: Batch, column: Column, codes: InstrumentCodes) -> pa.Array:  # noqa: PLR0911 - a table of forms
    array = batch.columns[column.name]
    match column.physical:
        case Physical.INSTRUMENT:
            return _texts(array, codes.id_of)
        case Physical.INTERVAL:
            return _texts(array, format_interval)
        case Physical.ENUM:
            assert column.choices is not None
            return _texts(array, {int(member): member.name for member in column.choices}.__getitem__)
        case Physical.ID128:
            return _ids(array, batch.columns[high(column.name)])
        case Physical.TIME:
            return pa.array(array, pa.int64(), mask=_nulls(array, column)).cast(pa.timestamp("ns", "UTC"))
        case Physical.INT:
            return pa.array(array, pa.int64(), mask=_nulls(array, column))
        case Physical.FLOAT:
            return pa.array(array, pa.float64(), from_pandas=column.nullable)
    return pa.array(array, column.arrow)


def _texts(values: Array, text_of: Callable[[int], str]) -> pa.Array:
    """Return the text of each value, made once for each that occurs."""
    known, places = np.unique(values, return_inverse=True)
    texts = pa.array([text_of(value) for value in known.tolist()], pa.string())
    return texts.take(pa.array(places))


def _ids(low: Array, upper: Array) -> pa.Array:
    if not upper.any():
        return pa.array(low, pa.int64()).cast(pa.string())
    return pa.array([join_id(*halves) for halves in zip(low.tolist(), upper.tolist(), strict=True)], pa.string())


def _nulls(array: Array, column: Column) -> Any:
    return array == NULL_INT if column.nullable else None
